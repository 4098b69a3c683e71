"""What may be asked for before it is done."""

from pydantic import BaseModel

from contracts.base import Command


class Triable[Reply: BaseModel](Command[Reply]):
    """A command that may be tried first: its answer or refusal is the one that it would have, and nothing stays."""

    dry_run: bool = False
