"""The contracts as others read them: a page, JSON Schemas, an AsyncAPI document; and whether they only grew."""

from contracts.catalogue.asyncapi import asyncapi
from contracts.catalogue.growth import breaks, fields_of, read_shipped, write_shipped
from contracts.catalogue.markdown import messages_markdown
from contracts.catalogue.schemas import SAMPLES, json_schemas

__all__ = [
    "SAMPLES",
    "asyncapi",
    "breaks",
    "fields_of",
    "json_schemas",
    "messages_markdown",
    "read_shipped",
    "write_shipped",
]
