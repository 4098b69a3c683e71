"""Loads the fixtures. Nothing is imported from here: what tests share lies in tests/support."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.infra", "tests.support.stack", "tests.support.chromium"]

# How long one example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
