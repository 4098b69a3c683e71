"""What one machine's servers and services know each other by, in files."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from chassis.embedded.postgres import EmbeddedPostgres
from chassis.embedded.process import write_private


class Secrets:
    """Passwords and what holds them, each in a file of its own that only its owner may read."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def lasting(self) -> Iterator[Path]:
        """Yield what is drawn once; addresses are written anew at each start."""
        return (path for path in sorted(self._directory.iterdir()) if not path.name.endswith(("-url", ".url")))

    def path(self, name: str) -> Path:
        return self._directory / name

    def draw(self, name: str, draw: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> str:
        """Return the secret of that name; it is drawn once and stays."""
        if not self.path(name).exists():
            write_private(self.path(name), draw())
        return self.path(name).read_text(encoding="utf-8").strip()

    def put(self, name: str, text: str) -> Path:
        """Keep what was given or made up of others, and say where."""
        write_private(self.path(name), text)
        return self.path(name)

    def note_databases(self, postgres: EmbeddedPostgres, services: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Keep who enters which database where, and return the passwords of each service's owner and app."""
        self.put("postgres.url", postgres.superuser_url)
        passwords: dict[str, tuple[str, str]] = {}
        for service in services:
            owner, app = (self.draw(f"database.{service}.{role}") for role in ("owner", "app"))
            self.put(f"{service}.database-url", postgres.url(service, "app", app))
            self.put(f"{service}.owner-url", postgres.url(service, "owner", owner))
            passwords[service] = owner, app
        return passwords
