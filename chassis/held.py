"""A message between its delivery and its fate: where it stands, and whose it is."""

import datetime as dt
import re
from dataclasses import dataclass

from nats.aio.msg import Msg

from chassis.telemetry import traced
from contracts.base import Intake

_INTAKE_PARTS = 6
_POSITION = re.compile(r"[1-9][0-9]{0,15}")


@dataclass(slots=True)
class Held:
    """A fetched message that is not settled."""

    msg: Msg
    sequence: int
    stored: dt.datetime
    """When the broker stored it: a stream that was made anew begins its sequence again."""
    base: str
    workspace: str
    integration: str
    position: int
    trace: str
    outcome: str = "known"

    @property
    def place(self) -> tuple[int, int]:
        """What its lane is sorted by."""
        return self.position, self.sequence

    @classmethod
    def of(cls, msg: Msg) -> "Held":
        """Read subject and place; an unusable subject, or a fact without position, has no workspace."""
        parts, headers = msg.subject.split("."), msg.headers or {}
        intake = len(parts) > 1 and parts[1] == Intake.KIND
        given = headers.get("ce-position", "")
        position = int(given) if not intake and _POSITION.fullmatch(given) else 0
        fits = len(parts) == _INTAKE_PARTS if intake else len(parts) == _INTAKE_PARTS - 1 and position > 0
        metadata = msg.metadata
        with traced(headers.get("traceparent")) as trace:
            pass
        return cls(
            msg=msg,
            sequence=metadata.sequence.stream,
            stored=metadata.timestamp,
            base=".".join(parts[:4]),
            workspace=parts[4] if fits else "",
            integration=parts[5] if fits and intake else "",
            position=position,
            trace=trace,
        )
