"""A site that has embedded the widget, on another origin than the desk, in a real window."""

from asyncio import StreamReader, StreamWriter, start_server
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

from playwright.async_api import Browser as Chromium
from playwright.async_api import Locator, Page

from tests.gateway.newsroom import Desk
from tests.web.window import Window, a_window


@dataclass(slots=True)
class Shop:
    """A page of the site, and the widget in it."""

    window: Window
    page: Page
    url: str

    @property
    def panel(self) -> Locator:
        return self.page.get_by_role("dialog")

    @property
    def button(self) -> Locator:
        return self.page.locator("counterfoil-widget .launch")

    @property
    def text(self) -> Locator:
        return self.panel.get_by_label("Message", exact=True)

    @property
    def lines(self) -> Locator:
        return self.panel.locator(".words")

    async def enter(self) -> None:
        """Come to the site, and open the panel."""
        await self.page.goto(self.url)
        await self.button.click()

    async def say(self, words: str) -> None:
        await self.text.fill(words)
        await self.text.press("Enter")

    def forgive(self, *words: str) -> None:
        """Leave out what a browser says by itself of requests that failed, where they had to fail."""
        self.window.mishaps = [each for each in self.window.mishaps if not any(word in each for word in words)]


@asynccontextmanager
async def a_shop(
    chromium: Chromium, desk: Desk, assistant: str, *, attributes: str = "", html: str = "", head: str = ""
) -> AsyncIterator[Shop]:
    """Open a window of the desk's owner on a site with the desk's widget."""
    script = (
        f'<script src="{desk.room.url}/widget.js" data-assistant="{escape(assistant)}" {attributes} async></script>'
    )
    async with a_site(script, html=html, head=head) as host, a_window(chromium, desk, beside=host) as window:
        yield Shop(window, window.page, f"http://{host}/")


@asynccontextmanager
async def a_site(script: str, *, html: str = "", head: str = "") -> AsyncIterator[str]:
    """Serve a page with the script, and return its host: another port than the desk's is another origin."""
    body = f"<!doctype html><html {html}><title>Shop</title>{head}<h1>Shop</h1><a href='#x'>Basket</a>{script}"
    answer = f"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\n\r\n{body}".encode()

    async def answered(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await start_server(answered, "127.0.0.1") as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def an_assistant(desk: Desk, **widget: Any) -> str:
    """Add an assistant; returns its id."""
    answer = await desk.send("POST", "assistants", {"name": "Shop", "widget": widget})
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made
