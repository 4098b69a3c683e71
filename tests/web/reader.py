"""Reads pages as a browser without scripts would: elements, words, and forms that can be filled in and sent."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx

from tests.gateway.house import Somebody

_VOID = {"input", "link", "meta", "br", "hr", "img", "wbr"}
type Attributes = dict[str, str]


@dataclass(slots=True)
class Form:
    """A form, and what it would send as it stands."""

    action: str
    method: str
    id: str = ""
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Element:
    """One element."""

    tag: str
    attributes: Attributes
    within: tuple[str, ...] = ()
    """The elements around it, the outermost first."""
    words: str = ""


class Page(HTMLParser):
    """A page that was read."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(convert_charrefs=True)
        self.answer = answer
        self.elements: list[Element] = []
        self.forms: list[Form] = []
        self._open: list[Element] = []
        self._form: Form | None = None
        self._select: tuple[str, list[tuple[str, bool]]] | None = None
        self._area: str | None = None
        self.feed(answer.text)

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def words(self) -> str:
        """Everything that can be read, in one line."""
        skipped = {"script", "style", "title"}
        return " ".join(" ".join(each.words for each in self.elements if each.tag not in skipped).split())

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements with this name and these attributes."""
        wanted = {name.strip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [e for e in self.elements if e.tag == tag and wanted.items() <= e.attributes.items()]

    def one(self, tag: str, **attributes: str) -> Element:
        """Return the only such element."""
        (found,) = self.all(tag, **attributes)
        return found

    def form(self, action: str, having: str | None = None) -> Form:
        """Return the first form that goes there, and has a field or button of this name."""
        for form in self.forms:
            named = {*form.fields, *(name for name, _ in form.buttons)}
            if form.action == action and (having is None or having in named):
                return form
        raise AssertionError(f"no form to {action} with {having}: {[form.action for form in self.forms]}")

    @property
    def links(self) -> list[str]:
        """Where links to pages of ours go."""
        there = [urljoin(str(self.answer.url), e.attributes["href"]) for e in self.all("a") if "href" in e.attributes]
        own = f"{self.answer.url.scheme}://{self.answer.url.netloc.decode()}"
        return [each.removeprefix(own).partition("#")[0] for each in there if each.startswith(f"{own}/")]

    @property
    def writing(self) -> list[str]:
        """Where forms go that change something in the workspace."""
        own = {"/looks", "/sign-out"}
        return [form.action for form in self.forms if form.method == "post" and form.action not in own]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        element = Element(tag, attributes, tuple(each.tag for each in self._open))
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)
        name, form = attributes.get("name", ""), self._form
        if tag == "form":
            self._form = Form(attributes.get("action", ""), attributes.get("method", "get"), attributes.get("id", ""))
            self.forms.append(self._form)
        elif form is None or not (name or tag == "option"):
            return
        elif tag == "input":
            kind = attributes.get("type")
            if kind == "file" or (kind in ("radio", "checkbox") and "checked" not in attributes):
                return
            form.fields.setdefault(name, []).append(attributes.get("value", ""))
        elif tag == "button":
            form.buttons.append((name, attributes.get("value", "")))
        elif tag == "textarea":
            self._area = name
            form.fields[name] = [""]
        elif tag == "select":
            self._select = (name, [])
        elif tag == "option" and self._select:
            self._select[1].append((attributes.get("value", ""), "selected" in attributes))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open[-1].tag != tag:
            self._open.pop()
        if self._open:
            self._open.pop()
        if tag == "form":
            self._form = None
        elif tag == "textarea" and self._area and self._form:
            # A browser drops the line break behind the opening tag.
            self._form.fields[self._area] = [self._form.fields[self._area][0].removeprefix("\n")]
            self._area = None
        elif tag == "select" and self._select and self._form:
            name, options = self._select
            chosen = [value for value, selected in options if selected] or [value for value, _ in options[:1]]
            self._form.fields[name] = chosen[:1]
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].words += data
        for element in self._open[:-1]:
            if element.tag in ("a", "button", "h1", "li", "summary", "label", "p"):
                element.words += data
        if self._area and self._form:
            self._form.fields[self._area][0] += data


@dataclass(slots=True)
class Browser:
    """Somebody's browser, with scripts switched off."""

    client: httpx.AsyncClient

    async def open(self, path: str, **headers: str) -> Page:
        """Go to a page, wherever it leads."""
        answer = await self.client.get(path, headers={"accept": "text/html", **_named(headers)}, follow_redirects=True)
        return Page(answer)

    async def send(self, form: Form, *, press: tuple[str, str] | None = None, **fields: Any) -> Page:
        """Fill a form in and send it, and read the page that it leads to."""
        return Page(await self.post(form, press=press, **fields))

    async def post(
        self, form: Form, *, press: tuple[str, str] | None = None, follow: bool = True, **fields: Any
    ) -> httpx.Response:
        """As `send`, for the answer itself; a field of bytes is a file."""
        files = {name: ("file", value) for name, value in fields.items() if isinstance(value, bytes)}
        said: dict[str, Any] = {**form.fields, **{name: each for name, each in fields.items() if name not in files}}
        if press:
            said[press[0]] = press[1]
        return await self.client.post(
            form.action,
            data=said,
            files=files or None,
            headers={"accept": "text/html", "origin": str(self.client.base_url).rstrip("/")},
            follow_redirects=follow,
        )

    def be(self, somebody: Somebody) -> None:
        """Be signed in as somebody."""
        self.client.cookies.set("counterfoil_session", somebody.token)


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
