"""What the messages look like, for programs: an AsyncAPI document and JSON Schemas, open to everybody."""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from litestar import Request, get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.catalogue import asyncapi, json_schemas
from contracts.refusals import NotFound
from services.gateway.routes.replies import has_seen, nothing

ASYNCAPI = "/api/asyncapi.json"
SCHEMAS = "/api/schemas"

_CACHE = "public, max-age=300"
_SUFFIX = ".json"
_SCHEMA = "application/schema+json"


@dataclass(frozen=True, slots=True)
class _Document:
    body: bytes
    etag: str
    media: str

    @classmethod
    def of(cls, content: Any, media: str = "application/json") -> "_Document":  # noqa: ANN401 - any JSON
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return cls(body, hashlib.sha256(body).hexdigest()[:32], media)

    def answer(self, request: Request[Any, Any, Any]) -> ASGIResponse:
        """Return the document, or 304 to a client that has it."""
        headers = {"etag": f'"{self.etag}"', "cache-control": _CACHE}
        if has_seen(request, self.etag):
            return nothing(304, headers)
        return ASGIResponse(body=self.body, media_type=self.media, headers=headers)


@cache
def _documents() -> dict[str, _Document]:
    """Return every document by its address. The contracts don't change while a process runs."""
    schemas = json_schemas()
    found = {f"{SCHEMAS}/{name}{_SUFFIX}": _Document.of(schema, _SCHEMA) for name, schema in schemas.items()}
    index = [
        {"name": name, "title": schema["title"], "address": f"{SCHEMAS}/{name}{_SUFFIX}"}
        for name, schema in schemas.items()
    ]
    return found | {SCHEMAS: _Document.of({"items": index}), ASYNCAPI: _Document.of(asyncapi())}


async def _answer(request: Request[Any, Any, Any], address: str) -> ASGIResponse:
    # The first one takes a moment, in which nobody else should have to wait.
    documents = await asyncio.to_thread(_documents)
    if address not in documents:
        raise NotFound
    return documents[address].answer(request)


@get(ASYNCAPI)
async def describe_messages(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Describe all messages (AsyncAPI 3.0)."""
    return await _answer(request, ASYNCAPI)


@get(SCHEMAS)
async def list_schemas(request: Request[Any, Any, Any]) -> ASGIResponse:
    """List the schemas and where each is."""
    return await _answer(request, SCHEMAS)


@get(f"{SCHEMAS}/{{file:str}}")
async def get_schema(request: Request[Any, Any, Any], file: FromPath[str]) -> ASGIResponse:
    """Return the JSON Schema of one message or reply; its name is the subject."""
    return await _answer(request, f"{SCHEMAS}/{file}")


HANDLERS = (describe_messages, list_schemas, get_schema)
