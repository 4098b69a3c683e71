"""A contact as the desk knows them, with their address and their names elsewhere; each fact is one version."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from contracts.base import Subject
from contracts.refusals import Invalid
from contracts.tickets import (
    ContactChange,
    ContactChanged,
    ContactCreated,
    ContactDeleted,
    ContactFields,
    ExternalRef,
)
from services.tickets.domain.facts import By, of_record
from services.tickets.domain.state import Contact

MOST_NAMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownContact:
    """Everything that is known of a contact at one version."""

    id: UUID
    workspace_id: str
    name: str
    email: str | None = None
    external_ids: tuple[ExternalRef, ...] = ()
    verified: bool = False
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime

    @property
    def shown(self) -> Contact:
        """The contact as tickets show them."""
        return Contact(self.id, self.name, self.email)

    @property
    def fields(self) -> ContactFields:
        """What can be edited."""
        return ContactFields(name=self.name, email=self.email, external_ids=self.external_ids)

    @classmethod
    def create(
        cls,
        *,
        id: UUID,
        workspace_id: str,
        name: str,
        by: By,
        email: str | None = None,
        external_ids: Iterable[ExternalRef] = (),
        verified: bool = False,
    ) -> tuple[Self, ContactCreated]:
        """Get to know somebody; `verified`: an agent or the site's signature vouches for who they are."""
        known = cls(
            id=id,
            workspace_id=workspace_id,
            name=name,
            email=email,
            external_ids=_distinct(external_ids),
            verified=verified,
            version=1,
            created_at=by.now,
            updated_at=by.now,
        )
        fact = ContactCreated(
            **of_record(ContactCreated, workspace_id, known.subject, by), contact_id=id, new=known.fields
        )
        return known, fact

    def change(self, change: ContactChange, by: By) -> tuple[Self, ContactChanged | None]:
        """Edit what is set; None where everything has that value. Raises Invalid for somebody without a name."""
        named = change.model_fields_set
        if "name" in named and change.name is None:
            raise Invalid(errors=[{"field": "name", "code": "required", "detail": "can't be null"}])
        then = replace(
            self,
            name=change.name or self.name,
            email=change.email if "email" in named else self.email,
            external_ids=_distinct(change.external_ids or ()) if "external_ids" in named else self.external_ids,
        )
        if then == self:
            return self, None
        then = replace(then, version=self.version + 1, updated_at=by.now)
        fact = ContactChanged(
            **of_record(ContactChanged, self.workspace_id, then.subject, by),
            contact_id=self.id,
            old=self.fields,
            new=then.fields,
        )
        return then, fact

    def call(self, name: ExternalRef, by: By, *, verified: bool = False) -> tuple[Self, ContactChanged | None]:
        """Let another system know the contact by this id too; one that has too many names gets no more."""
        if len(self.external_ids) >= MOST_NAMES:
            return self, None
        vouched = replace(self, verified=self.verified or verified)
        return vouched.change(ContactChange(external_ids=(*self.external_ids, name)), by)

    def forget(self, by: By) -> ContactDeleted:
        """Let there be no such contact any more."""
        gone = replace(self, version=self.version + 1)
        return ContactDeleted(**of_record(ContactDeleted, self.workspace_id, gone.subject, by), contact_id=self.id)

    @property
    def subject(self) -> Subject:
        """The contact as their own facts name them."""
        return Subject(kind="contact", id=str(self.id), version=self.version)


def _distinct(names: Iterable[ExternalRef]) -> tuple[ExternalRef, ...]:
    return tuple(sorted(set(names), key=lambda name: (name.source, name.id)))
