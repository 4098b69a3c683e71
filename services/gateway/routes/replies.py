"""Answers as bytes, and the conditions that a client puts into a request."""

import re
from collections.abc import Mapping
from typing import Any

from litestar import Request
from litestar.response.base import ASGIResponse
from pydantic import BaseModel

from contracts.refusals import Malformed

_ETAG = re.compile(r'(?:W/)?"([1-9][0-9]{0,8})"')


def reply(
    answer: BaseModel, status: int = 200, *, version: int | None = None, headers: Mapping[str, str] | None = None
) -> ASGIResponse:
    """Return a model as JSON; `version` becomes its ETag."""
    extra = dict(headers or {})
    if version is not None:
        extra["etag"] = f'"{version}"'
    return ASGIResponse(
        status_code=status,
        body=answer.model_dump_json().encode(),
        media_type="application/json",
        headers=extra,
    )


def nothing(status: int = 204, headers: Mapping[str, str] | None = None) -> ASGIResponse:
    """Return an answer without a body."""
    return ASGIResponse(status_code=status, headers=dict(headers or {}))


def fresh_or(request: Request[Any, Any, Any], answer: BaseModel, version: int) -> ASGIResponse:
    """Return 304 to a client that has this version already, else the answer."""
    if has_seen(request, str(version)):
        return nothing(304, {"etag": f'"{version}"'})
    return reply(answer, version=version)


def has_seen(request: Request[Any, Any, Any], tag: str) -> bool:
    """Tell whether `If-None-Match` names this tag: the client has what it would be given."""
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return "*" in known or f'"{tag}"' in known


def expected_versions(request: Request[Any, Any, Any]) -> tuple[int, ...]:
    """Return the versions that `If-Match` allows; none where it allows any, or is not there.

    Proxies make tags weak when they compress; a version says all there is to say, so both forms are read.
    """
    lines = request.headers.getall("if-match", [])
    if not lines or [line.strip() for line in lines] == ["*"]:
        return ()
    versions = []
    for part in ",".join(lines).split(","):
        tag = _ETAG.fullmatch(part.strip())
        if tag is None:
            raise Malformed('If-Match must be * or the version in quotes, such as "7".')
        versions.append(int(tag[1]))
    return tuple(versions)
