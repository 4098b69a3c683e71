"""What a page's form said. Forms work without a script: they are posted, checked, and come back with what was typed."""

import datetime as dt
import hashlib
import math
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, get_origin
from urllib.parse import parse_qsl

from litestar import Request
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from contracts.base import IdempotencyKey
from contracts.refusals import Invalid, Malformed, NotFound, RateLimited, Refusal, StaleVersion, WrongMediaType
from contracts.tickets import Tags
from services.gateway.routes.bodies import Given, collect, fault_of
from services.gateway.routes.problems import headers_of

_MOST_FIELDS = 200
_MASK = 32
_LONGEST_KEY = 64
_OURS = ("csrf", "key")
_HOUR = 60
_BECAUSE = {
    "transition_not_allowed": "its status doesn't lead there",
    "not_allowed": "your role doesn't allow it",
    "ticket_deleted": "it is deleted",
    "stale_version": "it was changed since",
    "not_found": "it isn't there any more",
}


@dataclass(slots=True)
class Form:
    """The fields of a form, as they were typed, and what is wrong with them."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    refusal: Refusal | None = None

    def text(self, name: str, default: str = "") -> str:
        """Return a field's one value."""
        return (self.fields.get(name) or [default])[-1]

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return self.fields.get(name, [])

    @property
    def errors(self) -> dict[str, str]:
        """What is wrong, by field."""
        found = self.refusal.facts.get("errors", ()) if self.refusal else ()
        errors: dict[str, str] = {}
        for each in found:
            name, _, nth = each["field"].partition(".")
            errors.setdefault(name, f"each {each['detail']}" if nth.isdigit() else each["detail"])
        return errors

    @property
    def said(self) -> str | None:
        """What is wrong with the whole, where no field is named."""
        if isinstance(self.refusal, RateLimited):
            return f"Too many tries. Try again in {_span(self.refusal.facts.get('retry_after', 1))}."
        return self.refusal.detail if self.refusal and not self.errors else None

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says beside the page."""
        return headers_of(self.refusal) if isinstance(self.refusal, RateLimited) else {}

    @property
    def status(self) -> int:
        """The HTTP status of a page that shows this form."""
        return self.refusal.status if self.refusal else 200

    def version(self, current: int) -> str:
        """Return the version that it is of when it is shown: where it comes back refused, no newer one than was seen.

        What was never shown is not saved over, whatever else was wrong with the form.
        """
        if isinstance(self.refusal, StaleVersion):
            return str(self.refusal.facts["version"])
        return self.text("version", str(current)) if self.refusal else str(current)

    @property
    def csrf(self) -> str:
        """What it says to prove that the page was ours."""
        return unmasked(self.text("csrf"))

    def read[Model: BaseModel](self, model: type[Model]) -> Model:
        """Return the fields as `model`, those left blank as its defaults; raises Invalid with the fields at fault."""
        given: dict[str, Any] = {}
        for name, known in model.model_fields.items():
            values = [value for value in self.all(name) if value.strip() or known.is_required()]
            if values:
                given[name] = values if get_origin(known.annotation) is tuple else values[-1]
        return self.checked(model, given)

    @staticmethod
    def checked[Model: BaseModel](model: type[Model], given: dict[str, Any]) -> Model:
        """Return what was given as `model`; raises Invalid with the fields at fault."""
        try:
            return model.model_validate(given)
        except ValidationError as error:
            raise fault_of(error) from None

    @contextmanager
    def tried(self) -> Iterator[None]:
        """Do what the form asks for, and note what is refused of it; that a thing is not there ends it (NotFound)."""
        try:
            yield
        except NotFound:
            raise
        except Refusal as refusal:
            self.refusal = refusal

    def moment(self, name: str, wanted: str) -> dt.datetime | int:
        """Return the time, in UTC unless it says otherwise, or the number that stands in a field."""
        said = self.text(name).strip()
        if said.isascii() and said.isdecimal() and 0 < int(said[:16]) < 2**53:
            return int(said[:16])
        try:
            at = dt.datetime.fromisoformat(said)
        except ValueError:
            raise wrong(name, "malformed", wanted) from None
        return at if at.tzinfo else at.replace(tzinfo=dt.UTC)

    def promise(self, request: Request[Any, Any, Any]) -> IdempotencyKey | None:
        """Return the form's own name, so that one that is sent twice takes effect once."""
        key = self.text("key")
        if not (key.isascii() and key.isalnum() and len(key) <= _LONGEST_KEY):
            return None
        said = repr([request.scope["path"], *(each for each in self.fields.items() if each[0] not in _OURS)])
        route = f"{request.method} {request.scope['path_template']}"
        return IdempotencyKey(key=key, route=route, fingerprint=hashlib.sha256(said.encode()).hexdigest())


class Seen(Given):
    """The version that a form was made of."""

    version: int = Field(ge=1, lt=2**31)


async def read_form(request: Request[Any, Any, Any]) -> Form:
    """Read what was posted; raises WrongMediaType, TooLarge, Malformed."""
    media, _, _ = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() != "application/x-www-form-urlencoded":
        raise WrongMediaType("Send the form as application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(
            (await collect(request)).decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise Malformed("The form can't be read.") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        # Browsers send every line break of a text field as two characters.
        fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return Form(fields)


def from_address(request: Request[Any, Any, Any]) -> Form:
    """Return what an address asks for; a browser's form says its blank fields too. Raises Malformed."""
    return from_query(request.scope["query_string"].decode("latin-1"))


def from_query(query: str) -> Form:
    """Return what the query of an address asks for. Raises Malformed."""
    try:
        query.encode("ascii")
        pairs = parse_qsl(query, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Malformed("The address can't be read.") from None
    form = Form()
    for name, value in pairs:
        form.fields.setdefault(name, []).append(value)
    return form


def _span(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    if minutes <= 1:
        return "a minute"
    return f"{minutes} minutes" if minutes < _HOUR else f"{math.ceil(minutes / _HOUR)} hours"


def words(text: str) -> list[str]:
    """Return what stands between commas."""
    return [word for each in text.split(",") if (word := each.strip())]


TypedTags = Annotated[Tags, BeforeValidator(lambda typed: tuple(words(",".join(typed))))]
"""Tags as they stand in the fields of a form: between commas."""


def masked(token: str) -> str:
    """Return a CSRF token so that it never looks the same: what is compressed beside it can't be used to guess it."""
    mask, plain = secrets.token_bytes(_MASK), bytes.fromhex(token)
    return (mask + bytes(a ^ b for a, b in zip(mask, plain, strict=True))).hex()


def unmasked(text: str) -> str:
    """Return the CSRF token, or nothing where this is none of ours."""
    try:
        both = bytes.fromhex(text)
    except ValueError:
        return ""
    if len(both) != 2 * _MASK:
        return ""
    return bytes(a ^ b for a, b in zip(both[:_MASK], both[_MASK:], strict=True)).hex()


def because(code: str, detail: str) -> str:
    """Return a refusal as what stands after `because`."""
    return _BECAUSE.get(code) or f"{detail[:1].lower()}{detail[1:].rstrip('.')}"


def wrong(field: str, code: str, detail: str) -> Invalid:
    """Return a refusal of one field."""
    return Invalid.field(field, code, detail)
