"""Loads the fixtures, and puts what takes longest first. What tests share lies in tests/support."""

import gc

import pytest
from hypothesis import HealthCheck, settings

# What lives as long as the run is looked through seldom, and once it is collected never again.
gc.set_threshold(20_000, 20, 50)

pytest_plugins = ["tests.support.containers", "tests.support.infra", "tests.support.stack", "tests.support.chromium"]

# How long one example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

_LONGEST_FIRST = (
    "tests/openapi/",
    "tests/faults/test_replicas.py",
    "tests/docs/test_api.py",
    "tests/journeys/test_a_ticket_from_door_to_store.py",
    "tests/fuzz/",
    "tests/web/test_browser.py",
    "tests/web/test_every_page.py",
    "tests/faults/",
    "tests/access/",
    "tests/journeys/",
    "tests/web/",
    "tests/erasure/",
    "tests/embedded/",
    "tests/docs/test_counterfoil.py",
    "tests/gateway/",
    "tests/activity/",
    "tests/notifications/",
    "tests/chassis/",
    "tests/tickets/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that all workers end together; what is not named comes last."""

    def turn(item: pytest.Item) -> int:
        named = (nth for nth, start in enumerate(_LONGEST_FIRST) if item.nodeid.startswith(start))
        return next(named, len(_LONGEST_FIRST))

    items.sort(key=turn)


def pytest_collection_finish() -> None:
    """Keep what was imported and collected out of every later look for garbage."""
    gc.collect()
    gc.freeze()
