"""What a page is told of its reader's inbox: soon, and not a thousand times."""

from types import SimpleNamespace
from typing import Any

import pytest

from contracts.base import Role
from services.gateway.usecases import live


async def test_a_thousand_notifications_are_a_hint_at_once_and_one_more_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_BETWEEN_HINTS", 0.3)
    someone: Any = SimpleNamespace(
        here=(SimpleNamespace(id="acme"), Role.MEMBER),
        token=None,
        person=None,
        credential=SimpleNamespace(id="session"),
    )
    edge: Any = None
    reader = live.Reader(someone, edge, 0, inbox=True)
    reader._joined = True
    for _ in range(1000):
        reader.hint()
    assert await reader.read(0.1) == [live.NOTIFIED]
    for _ in range(1000):
        reader.hint()
    assert await reader.read(0.1) == []
    assert await reader.read(5) == [live.NOTIFIED]
    assert await reader.read(0.7) == []
    reader.hint()
    assert await reader.read(0.1) == [live.NOTIFIED]
    reader.hint()
    reader.end("gone")
    assert await reader.read(0.1) == []
