"""What the page on the widget promises is in its script, and what the script offers is on the page."""

import re

from services.gateway.domain import VISIT_LIFE
from services.gateway.web.embed import Embed
from tests.support.pages import DOCS, README, blocks

PAGE = DOCS / "widget.md"


def test_the_words_events_and_attributes_are_those_of_the_script() -> None:
    page, script = PAGE.read_text(encoding="utf-8"), Embed().plain.decode()
    offered = script.split("window.Counterfoil = Object.freeze({")[1].split("\n  });")[0]

    assert set(re.findall(r"Counterfoil\.(\w+)", page)) == set(
        re.findall(r"^    (\w+)(?:: |\()", offered, re.MULTILINE)
    )
    told = set(re.findall(r'told\("(\w+)"', script))
    assert set(re.findall(r"counterfoil:(\w+)", page)) == told
    attributes = {f"data-{name}" for name in re.findall(r"dataset\.(\w+)", script.split("const script")[1])}
    assert set(re.findall(r"`(data-\w+)`", page)) == attributes
    assert "eval(" not in script
    assert "innerHTML" not in script


def test_what_visitors_read_is_what_the_page_says() -> None:
    page, script = PAGE.read_text(encoding="utf-8"), Embed().plain.decode()
    quoted = set(re.findall(r"“([^”]+)”", page))

    assert quoted
    assert [
        words for words in sorted(quoted) if f"{words[0].lower()}{words[1:]}" not in script and words not in script
    ] == []


def test_the_snippet_is_the_same_everywhere() -> None:
    shown = re.compile(
        r'<script src="https://desk\.example\.com/widget\.js" data-assistant="[0-9a-f-]{36}" async></script>'
    )

    assert shown.search(blocks(PAGE, "html")[0].text)
    assert shown.search(README.read_text(encoding="utf-8"))


def test_numbers_are_as_they_are() -> None:
    page, embed = " ".join(PAGE.read_text(encoding="utf-8").split()), Embed()

    assert "less than 30 kB" in page
    assert len(embed.packed) < 30_000
    assert "over after 24 hours" in page
    assert VISIT_LIFE.total_seconds() == 24 * 3600
