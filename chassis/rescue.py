"""What an operator does against the loss of a machine: back up, restore, and reconcile what was restored."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chassis.backup import SECRETS, Manifest
from chassis.deployment import Deployment
from chassis.embedded.postgres import EmbeddedPostgres
from chassis.embedded.process import StartFailed, claim
from chassis.embedded.secrets import Secrets
from chassis.reconciling import Unequal
from contracts.base import SERVICES


@dataclass(frozen=True, slots=True)
class Rescue:
    """The servers that a directory of secrets knows; without one, those of this machine, whose data lie in `data`."""

    given: Path | None
    data: Path
    say: Callable[[str], None]
    ca: str = ""
    """Who signed NATS's certificate, as PEM."""

    async def backup(self, directory: Path) -> None:
        """Copy every store into a new directory; the desk may run meanwhile."""
        secrets = None if self.given else Secrets(self.data / SECRETS)
        manifest = await self._deployment.back_up(directory, secrets, self.say, ca=self.ca)
        for service, store in manifest.stores.items():
            self.say(f"{service}: {sum(table.rows for table in store.tables.values())} rows")
        self.say(f"{directory} holds the desk as of {manifest.made_at:%Y-%m-%dT%H:%M:%SZ}.")

    async def restore(self, directory: Path) -> None:
        """Make every store of an empty deployment as a backup has it."""
        if self.given:
            await self._deployment.refuse_full_streams(ca=self.ca)
            manifest = await self._deployment.restore(directory, SERVICES)
        else:
            manifest = await self._restore_here(directory)
        self.say(f"The desk is as of {manifest.made_at:%Y-%m-%dT%H:%M:%SZ}; what came after that is gone.")
        self.say("Start it, then run: python -m services reconcile")

    async def reconcile(self) -> None:
        """Have told again what the streams of a running desk lack, and compare its stores."""
        try:
            await self._deployment.reconcile(self.say, ca=self.ca)
        except Unequal as unequal:
            raise StartFailed("\n".join(("the stores do not agree:", *unequal.findings))) from None
        self.say("Every fact is told, and everybody who hears it has applied it.")

    @property
    def _deployment(self) -> Deployment:
        return Deployment(self.given or self.data / SECRETS)

    async def _restore_here(self, directory: Path) -> Manifest:
        Manifest.read(directory)
        if not (directory / SECRETS).is_dir():
            raise StartFailed(f"{directory} is of a deployment of its own: name its secrets in COUNTERFOIL_SECRETS.")
        secrets = Secrets(self.data / SECRETS)
        async with claim(self.data / "lock", refusal=f"it runs in {self.data}: end it first."):
            if there := [name for name in ("postgres", "postgres.location", "nats") if (self.data / name).exists()]:
                raise StartFailed(f"{self.data} holds {' and '.join(there)} already: restore into an empty directory.")
            for secret in Secrets(directory / SECRETS).lasting():
                secrets.put(secret.name, secret.read_text(encoding="utf-8"))
            postgres = EmbeddedPostgres(self.data / "postgres")
            await postgres.start()
            try:
                secrets.note_databases(postgres, SERVICES)
                return await self._deployment.restore(directory, SERVICES)
            finally:
                await postgres.stop()
