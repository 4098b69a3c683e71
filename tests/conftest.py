"""Loads the fixtures. Nothing is imported from here: what tests share lies in tests/support."""

pytest_plugins = ["tests.support.infra", "tests.support.stack", "tests.support.chromium"]
