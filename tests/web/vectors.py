"""Words that would run in a page that believed them (attacks, H42), and what would run in a page."""

import re
from collections.abc import Iterator

from tests.web.reader import Element, Page

VECTORS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'>",
    "<math><annotation-xml encoding='text/html'><img src=x onerror=alert(1)></annotation-xml></math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data='javascript:alert(1)'>",
    "<embed src='javascript:alert(1)'>",
    "<form action='javascript:alert(1)'><button autofocus>x</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)>",
    "<textarea autofocus onfocus=alert(1)>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</option></select><img src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='java&#9;script:alert(1)'>x</a>",
    "<a href='JaVaScRiPt:alert(1)'>x</a>",
    "<base href='https://evil.example/'>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<style>*{background:url(https://evil.example/x)}</style>",
    "<div style='background:url(https://evil.example/y)'>",
    "[x](javascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    '![x](x"onerror="alert(1))',
    "![x](https://evil.example/pixel.png)",
    "<https://evil.example/onmouseover='alert(1)'>",
    "[x]: javascript:alert(1)\n[x]",
    "`<img src=x onerror=alert(1)>`",
    "{{7*7}}${7*7}<%= 7*7 %>#{7*7}",
    "{% include '/etc/passwd' %}",
    "\u2028alert(1)//",
    "<img src=x hx-on:error=alert(1)>",
    "<div hx-get='https://evil.example/' hx-trigger='load'>x</div>",
    "<div data-hx-on:load='alert(1)' data-hx-trigger='load' data-hx-get='/w'>x</div>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
)


def scripts_in(page: Page) -> list[str]:
    """Return whatever in a page would run, or make its reader's browser ask somebody else."""
    return [each for element in page.elements for each in _scripts_in(element)]


def _scripts_in(element: Element) -> Iterator[str]:
    said = element.attributes
    yield from (f"{element.tag} {name}" for name in said if re.match(r"on|style$|(data-)?hx-on", name))
    if element.tag in ("style", "iframe", "object", "embed", "base"):
        yield element.tag
    if element.tag == "script" and (element.words.strip() or not said.get("src", "").startswith("/assets/")):
        yield "script"
    for name in ("src", "action", "formaction", "hx-get", "hx-post", "data-hx-get", "data-hx-post"):
        if not said.get(name, "/").startswith(("/", "?")):
            yield f"{name}={said[name]}"
    here = ("/",) if element.tag == "link" else ("/", "?", "#", "https:", "http:", "mailto:")
    if not said.get("href", "/").startswith(here):
        yield f"href={said['href']}"
