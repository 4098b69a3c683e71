"""People's Markdown as HTML in which nothing can run: what is not allowed by name is shown as words or left out.

Markdown is kept as it was written and rendered where it is read, so that a rule that is mended here is mended for all.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li"),
    *("strong", "em", "s", "code", "pre", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_SCHEMES = {"http", "https", "mailto"}
_REL = "noopener nofollow ugc"
_DEEPEST = 40
"""Lists, their items and quotes within one another; a text that goes deeper is shown as it was written."""
_MOST_WORK = 1_000_000
"""Brackets times characters: for each bracket that is not closed the parser looks through all that follows.

A text with more is a log, which is better read as it was written, or an attack.
"""
# Without the marks that end a sentence behind it.
_ADDRESS = re.compile(r"""(https?://[^\s<>"'`|\\^{}\[\]]{1,2000}(?<![.,:;!?()*_~]))""")


def _safe(url: str) -> bool:
    """Tell whether an address is a whole one, of a kind that may be followed from here."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in _SCHEMES and bool(parts.path if parts.scheme == "mailto" else parts.netloc)


def _keep(_: str, attribute: str, value: str) -> str | None:
    return value if attribute in ("rel", "start") or (attribute == "href" and _safe(value)) else None


class _Renderer(RendererHTML):
    """Shows an image as a link to it: whoever made it must not learn who reads this, and when."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        image = tokens[idx]
        source = str(image.attrs.get("src", ""))
        words = self.renderInlineAsText(image.children or [], options, env) or source
        shown = escape(words)
        return f'<a href="{escape(source)}">{shown}</a>' if _safe(source) else shown


_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags=set(),
    attributes={"a": {"href"}, "ol": {"start"}},
    attribute_filter=_keep,
    link_rel=_REL,
    url_schemes=_SCHEMES,
    url_relative="deny",
)


def _link_addresses(state: StateCore) -> None:
    """Make links of the web addresses that stand in the words."""
    for block in state.tokens:
        if block.type == "inline" and block.children and "://" in block.content:
            block.children = list(_linked(block.children))


def _linked(tokens: Iterable[Token]) -> Iterator[Token]:
    within = 0
    for token in tokens:
        within += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type != "text" or within:
            yield token
            continue
        # Address and other words take turns.
        for nth, words in enumerate(_ADDRESS.split(token.content)):
            if nth % 2:
                yield Token("link_open", "a", 1, attrs={"href": words})
            if words:
                yield Token("text", "", 0, content=words)
            if nth % 2:
                yield Token("link_close", "a", -1)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": _DEEPEST}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.core.ruler.push("addresses", _link_addresses)
    return parser


_PARSER = _parser()


def rendered(markdown: str) -> str:
    """Return Markdown as HTML that can be put into a page."""
    if markdown.count("[") * len(markdown) > _MOST_WORK:
        return _as_written(markdown)
    tokens = _PARSER.parse(markdown)
    # The parser would leave out what is deeper.
    if any(token.level >= _DEEPEST - 1 for token in tokens):
        return _as_written(markdown)
    return _CLEANER.clean(_PARSER.renderer.render(tokens, _PARSER.options, {}))


def _as_written(markdown: str) -> str:
    return f"<pre>{escape(markdown)}</pre>\n"
