"""Markdown of strangers, as HTML in a page of ours: everything that is meant, and nothing that runs."""

from html.parser import HTMLParser
from time import process_time
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.markdown import rendered

ALLOWED = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "strong", "em", "s"),
    *("code", "pre", "a", "table", "thead", "tbody", "tr", "th", "td"),
}


class Page(HTMLParser):
    """What a browser finds, and what it would do with it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        given = dict(attrs)
        if tag == "a":
            assert given.pop("rel") == "noopener nofollow ugc"
            if (href := given.pop("href", None)) is not None:
                parts = urlsplit(href)
                assert parts.scheme in {"http", "https", "mailto"}
                assert parts.netloc or parts.scheme == "mailto"
                self.links.append(href)
        if tag == "ol":
            assert (given.pop("start", None) or "1").isdecimal()
        assert not given, given
        if tag not in {"br", "hr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def page(markdown: str) -> Page:
    read = Page(rendered(markdown))
    assert not read.open
    return read


VECTORS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=https://evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\x0c>alert(1)</script>",
    "<svg onload=alert(1)>",
    "<svg><script>alert&#40;1&#41;</script></svg>",
    "<svg/onload=alert`1`//",
    "<img src=x onerror=alert(1)>",
    "<img src='x' onerror='alert(1)'",
    "<img/src='x'/onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>",
    "<embed src=data:text/html;base64,PHNjcmlwdD4=>",
    "<form action=javascript:alert(1)><button>x",
    "<input onfocus=alert(1) autofocus>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<base href=//evil.example/>",
    "<style>@import '//evil.example/x.css';</style>",
    "<p style=background:url(javascript:alert(1))>x</p>",
    "<a href=javascript:alert(1)>x</a>",
    '<a href="java&#9;script:alert(1)">x</a>',
    '<a href="\x01javascript:alert(1)">x</a>',
    "<math><annotation-xml encoding='text/html'><img src=x onerror=alert(1)></annotation-xml></math>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<textarea></textarea><script>alert(1)</script>",
    "<!--<img src='--><img src=x onerror=alert(1)>'>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><x onclick=alert(1)>",
    "<!DOCTYPE html><script>alert(1)</script>",
    "<x onclick=alert(1)>x",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#9;script:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](\\javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](< javascript:alert(1)>)",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](blob:https://desk.example/1)",
    "[x](ftp://evil.example/x)",
    "[x](//evil.example/x)",
    "[x](/api/v1/sessions/current)",
    "[x](#top)",
    "[x](?logout=1)",
    "[x](https:alert(1))",
    "[x](http://)",
    "[x](mailto:)",
    '[x](https://e.example/"onmouseover=alert(1))',
    "[x](https://e.example 'a\" onmouseover=\"alert(1)')",
    "[x]: javascript:alert(1)\n\n[x]",
    "[x]: <javascript:alert(1)> 'y'\n\n[x][x]",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "![x](data:image/png;base64,iVBORw0KGgo=)",
    '![x](x"onerror="alert(1))',
    '!["onerror=alert(1) x="](https://e.example/x.png)',
    "![<script>alert(1)</script>](https://e.example/x.png)",
    "![x](/api/v1/me)",
    "[![x](javascript:alert(1))](javascript:alert(2))",
    "[![x](https://e.example/x.png)](https://f.example)",
    "<javascript:alert(1)>",
    '<https://e.example/"onclick=alert(1)>',
    'https://e.example/"onmouseover=alert(1)//',
    "https://e.example/'><script>alert(1)</script>",
    "https://e.example/<svg/onload=alert(1)>",
    "http://[::1",
    '```js"onload="alert(1)\n</code></pre><script>alert(1)</script>\n```',
    "`<script>alert(1)</script>`",
    "    <script>alert(1)</script>",
    "| <script>alert(1)</script> |\n|:-:|\n| <img src=x onerror=alert(1)> |",
    "1234567890. x\n\n-1. y",
    "# <script>alert(1)</script>",
    "> <script>alert(1)</script>",
    "**<script>**alert(1)**</script>**",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\\<script>alert(1)\\</script>",
    "{{7*7}} {% raw %} ${7*7} <%= 7*7 %>",
    "[" * 70_000 + "<script>alert(1)</script>",
    ">" * 300 + "<script>alert(1)</script>",
    "\ufeff<script>alert(1)</script>\u2028<img src=x onerror=alert(1)>",
    "<\u0131mg src=x onerror=alert(1)>",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
]


@pytest.mark.parametrize("markdown", VECTORS, ids=range(len(VECTORS)))
def test_h42_nothing_executable_remains(markdown: str) -> None:
    page(markdown)


@given(st.lists(st.sampled_from([*VECTORS[:90], "\n", "\n\n", "> ", "- ", "`", "*", "[", "](", ")", "|"]), max_size=8))
def test_h42_nor_does_it_in_whatever_company(parts: list[str]) -> None:
    page("".join(parts))


@given(st.text(alphabet="<>&\"'[]()!`*_~|\\:/#-+.= \n\tajhtps0", max_size=200))
def test_whatever_is_typed_is_well_formed(markdown: str) -> None:
    page(markdown)


def test_what_is_meant_is_there() -> None:
    html = rendered(
        "# Title\n\n**bold** *em* ~~gone~~ `code`\nnext line\n\n3. three\n\n> said\n\n---\n\n```py\nx < 1\n```"
    )

    for part in (
        "<h1>Title</h1>",
        "<strong>bold</strong> <em>em</em> <s>gone</s> <code>code</code><br>\nnext line",
        '<ol start="3">',
        "<blockquote>\n<p>said</p>",
        "<hr>",
        "<pre><code>x &lt; 1\n</code></pre>",
    ):
        assert part in html
    assert "<td>1</td>" in rendered("| a |\n|---|\n| 1 |")


@pytest.mark.parametrize(
    ("markdown", "links"),
    [
        ("[x](https://e.example/?a=1&b=2)", ["https://e.example/?a=1&b=2"]),
        ("[x](mailto:kim@e.example)", ["mailto:kim@e.example"]),
        ("<https://e.example>", ["https://e.example"]),
        ("see https://e.example/a_b_c, and (http://f.example/x).", ["https://e.example/a_b_c", "http://f.example/x"]),
        ("*https://e.example/x*", ["https://e.example/x"]),
        ("[to https://f.example](https://e.example)", ["https://e.example"]),
        ("`https://e.example` setup.py kim@e.example", []),
        ("![a map](https://e.example/map.png)", ["https://e.example/map.png"]),
        ("![](https://e.example/map.png)", ["https://e.example/map.png"]),
    ],
)
def test_addresses_are_links_and_images_are_links_to_them(markdown: str, links: list[str]) -> None:
    html = rendered(markdown)

    assert Page(html).links == links
    assert "<img" not in html


@pytest.mark.parametrize(
    "markdown", [">" * 300 + " deep", "[ERROR] x\n" * 6_000, "\n".join("  " * n + "- x" for n in range(60))]
)
def test_what_is_too_much_to_lay_out_is_shown_as_it_was_written(markdown: str) -> None:
    assert rendered(markdown).startswith("<pre>")
    assert Page(rendered(markdown)).words.strip() == markdown.strip()


SEEDS = (
    *("[", "![", "[<a", "[*", "[`", "*a ", "**_", "`a``b", "<a", "[a](", "](", "(", "|", "- ", "> ", "&", "://"),
    *("\\[", "[a]: "),
)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("brackets", [0, 15])
def test_four_times_as_much_of_anything_costs_about_four_times_as_much(seed: str, brackets: int) -> None:
    # What grows by the square costs sixteen times as much, and by the cube sixty-four: however often it is tried.
    assert any(cost(seed, brackets, 65_536) < 10 * cost(seed, brackets, 16_384) + 0.1 for _ in range(3))


def cost(seed: str, brackets: int, size: int) -> float:
    """Return how long the processor is busy with a text of this size."""
    markdown = ("[" * brackets + seed * (size // len(seed)))[:size]
    began = process_time()
    rendered(markdown)
    return process_time() - began
