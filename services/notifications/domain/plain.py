"""Makes plain words of what a mail program wrote: HTML without its markup, an answer without what it answers."""

import re
from html import unescape

_UNSEEN = frozenset({"head", "script", "style", "title", "template", "noscript", "svg"})
_BREAKING = frozenset(
    {"p", "div", "tr", "table", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "section", "article"}
)
_RULE = "_" * 32
_TAG = re.compile(r"<(?:(/?)([a-zA-Z][\w:-]{0,30})([^<>]*)|[!?/][^<>]*)>")
_HREF = re.compile(
    r"""\bhref\s{0,9}=\s{0,9}("https?://[^"]{1,1000}"|'https?://[^']{1,1000}'|https?://[^\s"'>]{1,1000})""",
    re.IGNORECASE,
)

_HISTORY = re.compile(
    r"-{2,} ?(original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht|message d'origine"
    r"|message original|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht"
    r"|ursprungligt meddelande|oprindelig meddelelse|opprinnelig melding|alkuperäinen viesti|исходное сообщение"
    r"|wiadomość oryginalna) ?-{2,}",
    re.IGNORECASE,
)
_WROTE = re.compile(
    r"(wrote|writes|schrieb.{0,80}|geschrieben|a écrit|escribió|escreveu|ha scritto|schreef.{0,80}|skrev.{0,80}"
    r"|kirjoitti|napisał.{0,3}|написал.{0,3}|пишет) ?:",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"\*?(from|sent|date|to|cc|subject|von|gesendet|datum|an|betreff|de|envoyé|envoyé le|date|à|objet|enviado|fecha"
    r"|para|asunto|assunto|da|inviato|data|oggetto|van|verzonden|aan|onderwerp|från|skickat|till|ämne) ?: ?\*? ?\S.*",
    re.IGNORECASE,
)
_FROM = re.compile(r"\*?(from|von|de|da|van|från) ?: ?\*? ?\S.*", re.IGNORECASE)
_SENT_BY_A_PHONE = re.compile(
    r"(sent from (my|outlook|yahoo|mail|samsung|proton)|get outlook for|von meinem .{1,60} gesendet"
    r"|gesendet mit|envoyé de(puis)? mon|enviado desde mi|inviato da|verstuurd vanaf mijn).{0,80}",
    re.IGNORECASE,
)
_LONGEST_LINE = 400
_MOST_OF_ATTRIBUTION = 4
_LEAST_HEADERS = 3


class _Reader:
    """Collects what HTML shows; quotations begin with `>`, as in plain mail. However it is written, it is read once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._line: list[str] = []
        self._unseen, self._within = "", 0
        self._depth = 0
        self._kept_as_typed = 0
        self._link = ""
        self._link_from = 0

    def read(self, html: str) -> None:
        """Read all of it; a `<` that begins no tag is a word."""
        at = 0
        for found in _TAG.finditer(html):
            self._say(html[at : found.start()])
            at = found.end()
            ends, tag, more = found.groups()
            if tag and ends:
                self._end(tag.lower())
            elif tag:
                self._begin(tag.lower(), more)
        self._say(html[at:])
        self.end_line()

    def _begin(self, tag: str, more: str) -> None:
        if self._within:
            self._within += tag == self._unseen
            if tag == "body" and self._unseen == "head":  # a head need not be closed
                self._within = 0
        elif tag in _UNSEEN:
            self._unseen, self._within = tag, 1
        elif tag == "blockquote":
            self.end_line()
            self._depth += 1
        elif tag == "br":
            self.end_line(always=True)
        elif tag == "hr":
            self.end_line()
            self._line.append(_RULE)
            self.end_line()
        elif tag in _BREAKING:
            self.end_line()
            self._kept_as_typed += tag == "pre"
            if tag == "li":
                self._line.append("- ")
        elif tag == "a":
            link = _HREF.search(more)
            self._link = unescape(link[1].strip("\"'")) if link else ""
            self._link_from = len(self._line)

    def _end(self, tag: str) -> None:
        if self._within:
            self._within -= tag == self._unseen
        elif tag == "blockquote":
            self.end_line()
            self._depth = max(0, self._depth - 1)
        elif tag in _BREAKING:
            self.end_line(always=tag == "p")
            if tag == "pre":
                self._kept_as_typed = max(0, self._kept_as_typed - 1)
        elif tag == "a" and self._link:
            if self._link not in "".join(self._line[self._link_from :]):
                self._line.append(f" ({self._link})")
            self._link = ""

    def _say(self, words: str) -> None:
        if self._within or not words:
            return
        words = unescape(words)
        if not self._kept_as_typed:
            self._line.append(re.sub(r"[ \t\r\n\f]+", " ", words))
            return
        first, *rest = words.split("\n")
        self._line.append(first)
        for each in rest:
            self.end_line(always=True)
            self._line.append(each)

    def end_line(self, *, always: bool = False) -> None:
        """Begin another line; an empty one is shown where the writer made it."""
        line, self._line = "".join(self._line).rstrip(), []
        if not self._kept_as_typed:
            line = line.lstrip()
        if line or always:
            self.lines.append("> " * min(self._depth, 9) + line)


def _without_comments(html: str) -> str:
    parts, at = [], 0
    while (start := html.find("<!--", at)) >= 0:
        parts.append(html[at:start])
        end = html.find("-->", start + 2)
        at = end + 3 if end >= 0 else len(html)
    return "".join([*parts, html[at:]])


def text_of(html: str) -> str:
    """Return what a page of HTML says, as plain text: nothing of it is run, fetched or kept as markup."""
    reader = _Reader()
    reader.read(_without_comments(html))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(reader.lines)).strip()


def answer_in(text: str) -> str:
    """Return what the writer wrote, without the mail that it answers and without a signature.

    Where nothing would be left, all of it: a word too many is better than one too few.
    """
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    lines = lines[: _history(lines)]
    lines = lines[: _signature(lines)]
    lines = lines[: _trailing_quote(lines)]
    lines = lines[: _signature(lines)]
    answer = "\n".join(lines).strip()
    return answer or text.strip()


def _history(lines: list[str]) -> int:
    """Return where an older mail begins that is quoted without marks, as some programs do."""
    for at, line in enumerate(lines):
        plain = line.strip()
        if len(plain) > _LONGEST_LINE:
            continue
        if _HISTORY.fullmatch(plain):
            return at
        if _FROM.fullmatch(plain) and _is_head(lines, at):
            return at - 1 if at and set(lines[at - 1].strip()) in ({"_"}, {"-"}) else at
        start = _attribution(lines, at)
        # Who writes "Ada wrote:" in an answer names no address and no time with it.
        if start is not None and any("@" in each or ":" in each[:-1] for each in lines[start : at + 1]):
            rest = [each for each in lines[at + 1 :] if each]
            if not rest or not rest[0].startswith(">"):
                return start
    return len(lines)


def _is_head(lines: list[str], at: int) -> bool:
    block = [line.strip() for line in lines[at : at + 6]]
    return sum(1 for line in block if len(line) <= _LONGEST_LINE and _HEADER.fullmatch(line)) >= _LEAST_HEADERS


def _attribution(lines: list[str], at: int) -> int | None:
    """Return where the words begin that end here with "wrote:", if they are such words and name a time."""
    end = lines[at].strip()
    if end.startswith(">") or not end.endswith(":") or len(end) > _LONGEST_LINE:
        return None
    words = ""
    for start in range(at, max(-1, at - _MOST_OF_ATTRIBUTION), -1):
        line = lines[start].strip()
        if not line or line.startswith(">") or len(line) > _LONGEST_LINE:
            return None
        words = f"{line} {words}".strip()
        told = _WROTE.search(words)
        if told and told.end() == len(words) and any(each.isdigit() for each in words):
            begins = start == 0 or not lines[start - 1].strip()
            if begins or start == at - _MOST_OF_ATTRIBUTION + 1 or words[0] in "OoALEDIW0123456789":
                return start
    return None


def _trailing_quote(lines: list[str]) -> int:
    """Return where the quotation begins that ends the mail; one that is answered below stays."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    start = end
    while start and (lines[start - 1].startswith(">") or not lines[start - 1].strip()):
        start -= 1
    if start == end or not any(line.startswith(">") for line in lines[start:end]):
        return end
    while start and not lines[start - 1].strip():
        start -= 1
    if start and lines[start - 1].rstrip().endswith(":"):
        begun = _attribution(lines, start - 1)
        return begun if begun is not None else start - (len(lines[start - 1]) <= _LONGEST_LINE)
    return start


def _signature(lines: list[str]) -> int:
    """Return where the signature begins: the line `-- ` of RFC 3676, or what a phone adds at the end."""
    for at, line in enumerate(lines):
        if line == "--":
            return at
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    if end and len(lines[end - 1]) <= _LONGEST_LINE and _SENT_BY_A_PHONE.fullmatch(lines[end - 1].strip()):
        return end - 1
    return len(lines)
