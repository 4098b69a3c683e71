"""python -m tests.screenshots [name…]: pictures of a fresh demo workspace, into docs/images/."""

import asyncio
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, ViewportSize, async_playwright

from tests.support.demo import a_demo
from tests.support.stack import WORKSPACE, Desk

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
MOST_BYTES: Final = 150_000
_DESKTOP: Final = ViewportSize(width=1024, height=600)
_PHONE: Final = ViewportSize(width=390, height=844)


@dataclass(frozen=True, slots=True)
class Picture:
    """A page of the demo workspace, or of the desk where it begins at the root, and how it is looked at.

    `{talk}` stands for the id of a conversation.
    """

    name: str
    path: str
    scheme: str = "light"
    phone: bool = False


PICTURES: Final = (
    Picture("list", "tickets"),
    Picture("list-dark", "tickets", "dark"),
    Picture("list-phone", "tickets", phone=True),
    Picture("ticket", "tickets/18"),
    Picture("ticket-dark", "tickets/18", "dark"),
    Picture("ticket-phone", "tickets/18", "dark", phone=True),
    Picture("conversation", "conversations/{talk}"),
    Picture("reports", "reports"),
    Picture("reports-dark", "reports", "dark"),
    Picture("settings", "settings/members"),
    Picture("widget", "/demo"),
)


async def take(browser: Browser, desk: Desk, picture: Picture) -> None:
    """Look at a page and keep what is seen. Exits where the page is not there, or its picture is too large."""
    context = await browser.new_context(
        viewport=_PHONE if picture.phone else _DESKTOP,
        color_scheme="dark" if picture.scheme == "dark" else "light",
        reduced_motion="reduce",
        timezone_id="UTC",
        locale="en-GB",
    )
    await context.add_cookies([{"name": "counterfoil_session", "value": desk.token, "url": desk.stack.url}])
    page = await context.new_page()
    talk = (await desk.get("conversations?limit=1&linked=false"))["items"][0]["id"]
    path = picture.path.format(talk=talk)
    answer = await page.goto(desk.stack.url + (path if path.startswith("/") else f"/w/{WORKSPACE}/{path}"))
    if answer is None or not answer.ok:
        sys.exit(f"{path}: {answer and answer.status}")
    await page.wait_for_load_state("load")
    await page.evaluate("document.activeElement?.blur()")
    file = IMAGES / f"{picture.name}.png"
    await page.screenshot(path=file, animations="disabled", caret="hide")
    await context.close()
    if file.stat().st_size > MOST_BYTES:
        sys.exit(f"{file} has {file.stat().st_size} bytes, more than {MOST_BYTES}")


async def run(pictures: tuple[Picture, ...]) -> None:
    """Take all the pictures of one demo workspace."""
    IMAGES.mkdir(exist_ok=True)
    async with a_demo() as desk, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        for picture in pictures:
            await take(browser, desk, picture)
            sys.stdout.write(f"{picture.name}\n")
        await browser.close()


def chromium() -> str:
    """Return where the browser is; exits where there is none."""
    return shutil.which("chromium") or sys.exit("no chromium on the PATH: apt-get install chromium")


def main() -> None:
    """Take the pictures that are named, or all."""
    names = {picture.name for picture in PICTURES}
    if unknown := set(sys.argv[1:]) - names:
        sys.exit(f"no picture {sorted(unknown)}; there are {sorted(names)}")
    asyncio.run(run(tuple(picture for picture in PICTURES if not sys.argv[1:] or picture.name in sys.argv[1:])))


if __name__ == "__main__":
    main()
