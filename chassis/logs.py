"""Logs: an event name and keys, never a sentence; pretty on a terminal, one JSON object a line elsewhere."""

import asyncio
import json
import logging
import signal
import socket
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from chassis.redaction import places_alone, redact
from chassis.telemetry import trace_id

_QUIET = {
    "uvicorn": logging.WARNING,
    "faststream": logging.ERROR,
    "nats": logging.CRITICAL,
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
    # It quotes what was sent.
    "mcp": logging.CRITICAL,
    # aiosmtpd's, which writes addresses down.
    "mail.log": logging.CRITICAL,
}


class _Lines(structlog.WriteLogger):
    """Writes lines for whoever reads them; that nobody does any more is no reason to fail."""

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


_encoder = json.JSONEncoder()


def _json(event: EventDict, **_: Any) -> str:
    return _encoder.encode(event)


def _trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event.setdefault("trace_id", trace_id())
    return event


def configure(service: str, level: str = "info", style: Literal["auto", "json", "pretty"] = "auto") -> None:
    """Send every log line of this process, the libraries' too, to standard error in one form."""
    pretty = style == "pretty" or (style == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _trace,
    ]
    last: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    lines = _Lines(sys.stderr)
    # Our own lines, one for each request and message, do not go round by the standard library's records.
    structlog.configure(
        processors=[*shared, places_alone, redact, last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, places_alone, redact, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    structlog.contextvars.bind_contextvars(service=service)
    sys.excepthook = _crashed


def _crashed(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.exit(128 + signal.SIGINT)
    get_logger().critical("process.crashed", exc_info=error)


def hear_of_lost(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody waited for; set as a loop's exception handler.

    A connection that was given up while its server's name was looked up leaves that question behind: uvloop can't take
    it back, and its answer is news about the network, not a lost error.
    """
    error = context.get("exception")
    if isinstance(error, socket.gaierror) and not isinstance(context.get("future"), asyncio.Task):
        get_logger().warning("name.unresolved", error=str(error))
    else:
        loop.default_exception_handler(context)


def get_logger() -> Any:
    """Return a logger: `log.info("relay.published", rows=3)`."""
    return structlog.get_logger()
