"""A real browser's window, and everything in it that must not happen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, Request

from tests.gateway.house import Somebody
from tests.gateway.newsroom import Desk

IN_THE_DARK = ("color-contrast", "scrollable-region-focusable", "target-size")
"""The rules of axe whose findings another colour or another width can change."""
_WORST = ("serious", "critical")
_SLIGHT = ("heading-order", "landmark-unique", "page-has-heading-one", "region")
"""Rules of axe that take long, and whose findings are never of the worst."""


@dataclass(slots=True)
class Window:
    """Somebody's window."""

    page: Page
    base: str
    """Where the workspace's pages are."""
    mishaps: list[str] = field(default_factory=list)
    """Errors of scripts and of the console, dialogs, and requests to other hosts."""

    def at(self, path: str) -> str:
        return f"{self.base}/{path}"

    async def open(self, path: str) -> None:
        """Go to a page of the workspace, and wait until it follows what happens."""
        await self.page.goto(self.at(path))
        await self.page.wait_for_load_state("load")

    async def leave_by(self, key: str) -> None:
        """Press a key that leads to another page, and let go of it there.

        A browser may never answer for a key that is released just while one page takes another's place.
        """
        async with self.page.expect_event("load"):
            await self.page.keyboard.down(key)
        await self.page.keyboard.up(key)

    async def flaws_by_day_and_night(self) -> list[str]:
        """Return what axe finds by all of its rules, and in the dark by those that another colour can change."""
        found = await self.flaws()
        await self.page.emulate_media(color_scheme="dark")
        found += [f"in the dark: {each}" for each in await self.flaws(*IN_THE_DARK)]
        await self.page.emulate_media(color_scheme="light")
        return found

    async def flaws(self, *rules: str) -> list[str]:
        """Return what axe finds serious or worse: by all of its rules, or by these."""
        chosen = {"runOnly": rules} if rules else {"rules": {rule: {"enabled": False} for rule in _SLIGHT}}
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE_SCRIPT)
        found = await self.page.evaluate(
            "async (options) => (await axe.run(options)).violations", {"resultTypes": ["violations"], **chosen}
        )
        return [
            f"{each['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
            for each in found
            if each["impact"] in _WORST
            for node in each["nodes"]
        ]


@asynccontextmanager
async def a_window(
    chromium: Chromium, desk: Desk, who: Somebody | None = None, **options: Any
) -> AsyncIterator[Window]:
    """Open a window in which somebody is signed in, else the owner, as `a_window_at`."""
    token = (who or desk.owner).token
    async with a_window_at(chromium, desk.room.url, desk.workspace.slug, token, **options) as window:
        yield window


@asynccontextmanager
async def a_window_at(
    chromium: Chromium, url: str, slug: str, token: str, *, beside: str = "", **options: Any
) -> AsyncIterator[Window]:
    """Open a window in which whoever has the session is signed in; nothing untoward may have happened at the end.

    `beside` is a second host that pages may ask, as a site asks where its widget comes from.
    """
    context = await chromium.new_context(base_url=url, reduced_motion="reduce", **options)
    await context.add_cookies([{"name": "counterfoil_session", "value": token, "url": url}])
    window = Window(await context.new_page(), f"{url}/w/{slug}")
    own = {urlsplit(url).netloc, beside}

    def asked(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and parts.netloc not in own:
            window.mishaps.append(f"asked {parts.netloc}")

    async def talked(dialog: Any) -> None:
        window.mishaps.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    window.page.on("request", asked)
    window.page.on("dialog", talked)
    window.page.on("pageerror", lambda error: window.mishaps.append(f"script: {error}"))
    window.page.on(
        "console", lambda said: window.mishaps.append(f"console: {said.text}") if said.type == "error" else None
    )
    try:
        yield window
        assert window.mishaps == []
    finally:
        await context.close()
