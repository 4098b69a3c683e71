"""A form with a file, read as it arrives: its fields stand before the file, which is kept nowhere, however long."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from litestar import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser  # type: ignore[import-untyped]

from contracts.refusals import Malformed, TooLarge
from services.gateway.routes.importing import pieces
from services.gateway.web.forms import Form, read_form

_MEDIA = "multipart/form-data"
_MOST_FIELDS, _MOST_BYTES = 20, 64 * 1024


@dataclass(slots=True)
class Upload:
    """What was sent before the file, and the file, which can be read once."""

    form: Form
    file: AsyncIterator[bytes]
    _rest: AsyncGenerator[MultipartSegment | bytes | None]

    async def pass_over(self) -> None:
        """Read what is left of it: a browser hears no answer before it has said all."""
        async for _ in self._rest:
            pass


async def read_upload(request: Request[Any, Any, Any]) -> Upload:
    """Read a form up to its file, or one without any; raises WrongMediaType, TooLarge, Malformed."""
    media, options = request.content_type
    if media != _MEDIA:
        return Upload(await read_form(request), _nothing(), _nothing())
    if not options.get("boundary"):
        raise Malformed("The form can't be read.")
    events = _events(request, options["boundary"])
    form, name, size = Form(), "", 0
    async for event in events:
        if isinstance(event, MultipartSegment):
            if event.filename is not None:
                break
            name = event.name
            form.fields.setdefault(name, []).append("")
        elif event is not None:
            size += len(event)
            if size > _MOST_BYTES:
                raise TooLarge
            try:
                form.fields[name][-1] += event.decode()
            except UnicodeDecodeError:
                raise Malformed("The form can't be read.") from None
    return Upload(form, _file(events), events)


async def _events(request: Request[Any, Any, Any], boundary: str) -> AsyncGenerator[MultipartSegment | bytes | None]:
    try:
        with PushMultipartParser(boundary, max_segment_count=_MOST_FIELDS, strict=True) as parser:
            async for piece in pieces(request):
                for event in parser.parse(piece):
                    yield event
    except MultipartError:
        raise Malformed("The form can't be read.") from None


async def _nothing() -> AsyncGenerator[Any]:
    return
    yield


async def _file(events: AsyncIterator[MultipartSegment | bytes | None]) -> AsyncIterator[bytes]:
    async for event in events:
        if event is None:
            return
        yield event
