from playwright.async_api import Browser as Chromium

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.web.test_conversations import a_conversation
from tests.web.window import a_window

_LOW = """() => [...document.querySelectorAll(".button, .item, .chip, .tab, .place, .input, summary")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 40)
  .map((each) => `${each.outerHTML.slice(0, 100)} ${each.getBoundingClientRect().height}`)"""
_MISSED = """() => [...document.querySelectorAll(".row .subject, .pick, .letter a")].filter((each) => {
    each.scrollIntoView({ block: "center" });
    const { left, top, width, height } = each.getBoundingClientRect();
    let touched = 0;
    for (let off = -40; off <= 40; off += 1) {
      touched += document.elementFromPoint(left + width / 2, top + height / 2 + off) === each;
    }
    return touched < 40;
  }).map((each) => each.outerHTML.slice(0, 100))"""


async def test_what_is_touched_is_as_large_as_a_finger(chromium: Chromium, desk: Desk) -> None:
    talk = await a_conversation(desk)
    made = await desk.send("POST", f"conversations/{talk['conversation_id']}/ticket", {"assign_to_me": True})
    assert made.is_success
    await desk.recorded(made.json())
    found = dict[str, list[str]]()
    async with a_window(
        chromium, desk, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740}
    ) as window:
        page = window.page
        for path in ("tickets?priority=normal", "conversations", "contacts", "notifications", "settings/members"):
            await window.open(path)
            found[path] = [*await page.evaluate(_LOW), *await page.evaluate(_MISSED)]
        await page.locator(".bottom summary").tap()
        found["menu"] = await page.evaluate(_LOW)
        await window.open("tickets")
        await page.locator(".pick").tap()
        found["bulk"] = await page.evaluate(_LOW)
        for menu in await page.locator("#bulk .menu > summary").all():
            await menu.tap()
            found["bulk"] += await page.evaluate(_LOW)
            panel = page.locator("#bulk .menu[open] > .panel")
            inside = "(e) => [e.getBoundingClientRect()].every((at) => at.left >= 0 && at.right <= innerWidth)"
            assert await panel.evaluate(inside), await panel.inner_text()
            await menu.tap()

        await desk.member(Role.MEMBER, "W" * 40)
        await window.open("settings/audit")
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        await window.open("reports")
        await page.locator(".behind > summary").tap()
        found["reports"] = await page.evaluate(_LOW)
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        cut = "(all) => all.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.outerHTML)"
        assert await page.locator(".reports :is(h2, dt, dd, .chip, .axis span, input)").evaluate_all(cut) == []
        backlog = page.get_by_role("region", name="Backlog by")
        assert await backlog.evaluate("(e) => e.scrollWidth > e.clientWidth")
        await backlog.evaluate("(e) => e.scrollTo(1000, 0)")
        assert await backlog.locator("th[scope=row] a").first.is_visible()
        assert await backlog.locator("th[scope=row]").first.evaluate("(e) => e.getBoundingClientRect().x >= 0")
        assert await window.flaws() == []
    assert {path: flaws for path, flaws in found.items() if flaws} == {}
