"""What no log may say: secrets wherever they stand, addresses of people, and the words of an exception.

An exception's own words may quote what somebody typed: of each only its kind and its places are told.
"""

import re
import sys
import traceback
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from structlog.typing import EventDict, ExcInfo, WrappedLogger

HIDDEN = "[hidden]"
_SHORTEST = 8
_PLAIN = re.compile(
    r"[a-z0-9.-]*|[0-9TZ:.+-]*"
    r"|(?!.*(?:cfn?_|whsec_|/invit|/passw|/unsub))(?:[a-z0-9._-]*|(?:/(?:[a-z0-9._-]+|\{[a-z_]+:[a-z]+\}))*)"
)
"""Ids, times, names of events, of streams and of routes: most of what is logged, and nothing ever drawn or typed."""
_FRAMES = 20

_NAMED = ("pass", "secret", "token", "auth", "cookie", "key", "csrf", "signature", "credential")
_NAMES = (
    r"pass(?:word|wd|phrase)?|secret|token|authorization|cookie|api[-_]?key|csrf|signature|credential|private[-_]?key"
)
_TELLING = re.compile(rf"(?:^|[-_])(?:{_NAMES})s?(?:$|[-_])", re.IGNORECASE)


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE | re.DOTALL)


_SECRETS = (
    # What shows that it may be there, what is hidden behind the group, and what follows then.
    (("-----begin",), _pattern(r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"), ""),
    (("://",), _pattern(r"(://)[^\s/@]*@"), "@"),
    (("@",), _pattern(r"()(?<![\w.%+-])[\w.%+-]+@[\w-]+(?:\.[\w-]+)+"), ""),
    (_NAMED, _pattern(rf"((?:{_NAMES})[\w-]*[\"']?\s*[:=]\s*[\"']?)(?:(?:bearer|basic)\s+)?[^\s\"',;&)}}\]]+"), ""),
    (("bearer", "basic"), _pattern(r"(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"), ""),
    (("cf_", "cfn_", "whsec_"), _pattern(r"()\b(?:cfn?_|whsec_)[\w+/=-]{8,}"), ""),
    (("sa",), _pattern(r"()\bSA[A-Z2-7]{56}\b"), ""),
    (("eyj",), _pattern(r"()\beyJ[\w-]+\.[\w-]+\.[\w-]*"), ""),
    (("/invit", "/passw", "/unsub"), _pattern(r"(/(?:invitations|password-resets|unsubscribe)/)[\w%-]{8,}"), ""),
)
# A word of a random kind: long, of both cases and digits, which no id and no name of ours is.
_DRAWN = re.compile(r"(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*[0-9])[A-Za-z0-9_-]{32,}")
_LONG = 32
_FUTURE = re.compile(r"(exception=\w+)\(.*", re.DOTALL)
"""asyncio tells of a task that nobody waited for with the whole of its exception."""


def without_secrets(words: str) -> str:
    """Return a text with every secret and every address in it hidden."""
    if len(words) < _SHORTEST or _PLAIN.fullmatch(words):
        return words
    low = words.lower()
    for signs, pattern, after in _SECRETS:
        if any(sign in low for sign in signs):
            words = pattern.sub(rf"\g<1>{HIDDEN}{after}", words)
    return _DRAWN.sub(HIDDEN, words) if len(words) >= _LONG else words


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Hide what must not be told, in whatever a log line holds."""
    return {key: HIDDEN if _tells(key) else _cleaned(value) for key, value in event.items()}


def without_words(error: BaseException) -> str:
    """Return what kinds of exceptions it was and where they rose, the first cause last."""
    return "\n".join(_lines(error))


def places_alone(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Write an exception down without its words."""
    told: ExcInfo | BaseException | bool | None = event.pop("exc_info", None)
    error = told[1] if isinstance(told, tuple) else told
    if error is True:
        error = sys.exception()
    if isinstance(error, BaseException):
        event["exception"] = without_words(error)
    return event


@lru_cache(maxsize=256)
def _tells(key: str) -> bool:
    return _TELLING.search(key) is not None


def _cleaned(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return without_secrets(_FUTURE.sub(r"\1", value) if "exception=" in value else value)
    if isinstance(value, dict):
        return {key: HIDDEN if _tells(str(key)) else _cleaned(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(each) for each in value]
    return without_secrets(str(value))


def _lines(error: BaseException) -> Iterator[str]:
    cause: BaseException | None = error
    seen = 0
    while cause is not None and seen < _FRAMES:
        seen += 1
        # What the system says of a file or an address quotes nobody, and an operator needs it.
        words = f": {cause}" if isinstance(cause, OSError) else ""
        yield f"{'' if cause is error else 'from '}{type(cause).__module__}.{type(cause).__qualname__}{words}"
        for frame in traceback.extract_tb(cause.__traceback__)[-_FRAMES:]:
            yield f"  {frame.filename}:{frame.lineno} {frame.name}"
        if isinstance(cause, BaseExceptionGroup):
            for each in cause.exceptions:
                yield from (f"  | {line}" for line in _lines(each))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
