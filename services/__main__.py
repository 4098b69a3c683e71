"""All of Counterfoil on one machine: NATS, PostgreSQL and the services, as processes that end when this one does."""
# ruff: noqa: PLC0415 - imports that take seconds wait until the servers are starting

import asyncio
import contextlib
import importlib
import json
import os
import secrets
import signal
import sys
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from chassis import logs
from chassis.embedded.nats import EmbeddedNats
from chassis.embedded.postgres import EmbeddedPostgres
from chassis.embedded.process import (
    LOOPBACK,
    EmbeddedError,
    StartFailed,
    claim,
    die_with_parent,
    held_port,
    refuse_taken,
    write_private,
)
from chassis.embedded.secrets import Secrets
from chassis.embedded.supervisor import Program, Supervisor

SERVICES: Final = ("tickets", "activity", "notifications", "gateway")
INTEGRATION: Final = "demo"

_HANDS: Final = ("keeper", "callout", "kicker")
"""Whom the gateway enters NATS as, besides as itself, for other systems."""

_DECIDED: Final = "first-workspace"
_CHECKOUT: Final = Path(__file__).parent.parent
_LAST_PORT: Final = 65535
_NOT_INHERITED: Final = {"COUNTERFOIL_NATS_URL", "COUNTERFOIL_DATABASE_URL", "COUNTERFOIL_OWNER_PASSWORD"}

_USAGE: Final = """\
python -m services                       run everything on this machine
python -m services provision             make the streams of the server at COUNTERFOIL_NATS_URL; or all that is missing
                                         on the servers that the directory COUNTERFOIL_SECRETS knows, databases too
                   --apply               and alter the streams that differ
python -m services nats-accounts FILE    write who may enter NATS, by the directory COUNTERFOIL_SECRETS
python -m services backup DIRECTORY      copy every store of the running desk into a new directory
python -m services restore DIRECTORY     make every store of an empty deployment as such a directory has it
python -m services reconcile             have told again what the streams of a running desk lack; compare its stores"""

_WELCOME: Final = """
  Counterfoil is ready.

    Desk and API        {address}
    Sign in as          {email}
    Password            {password}
    Workspace           {workspace}
    The widget          {address}/demo

    Other systems       {integration}
    Logs                {logs}
    Stop                Ctrl-C
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the environment may change."""

    data: Path
    port: int
    nats_port: int
    email: str
    password: str | None
    workspace: str
    demo: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        return cls(
            data=Path(environment.get("COUNTERFOIL_DATA") or "var").absolute(),
            port=_port(environment, "COUNTERFOIL_PORT", 8080),
            nats_port=_port(environment, "COUNTERFOIL_NATS_PORT", 4222),
            email=environment.get("COUNTERFOIL_OWNER_EMAIL") or "owner@example.com",
            password=environment.get("COUNTERFOIL_OWNER_PASSWORD"),
            workspace=environment.get("COUNTERFOIL_WORKSPACE") or "demo",
            # Nobody who is made up is written to.
            demo=environment.get("COUNTERFOIL_DEMO") or ("0" if _can_send(environment) else "1"),
        )


def _can_send(environment: Mapping[str, str]) -> bool:
    return any(environment.get(f"COUNTERFOIL_SMTP_URL{suffix}") for suffix in ("", "_FILE"))


class Machine:
    """The servers and services of this machine, and the files in which they are told of one another."""

    def __init__(self, options: Options) -> None:
        self._data = options.data
        self._secrets = Secrets(self._data / "secrets")
        self._options = self._as_decided(options)
        self._logs = self._data / "log"
        self._logs.mkdir(exist_ok=True)
        self._workspace_id = self._secrets.draw("workspace-id", lambda: str(uuid.uuid4()))
        self._servers = Supervisor(self._record)
        self._services = Supervisor(self._record)
        self._programs: dict[str, Program] = {}
        self._ports = contextlib.ExitStack()

    async def run(self) -> None:
        """Start everything, say so, and keep it running until cancelled; then stop it in order."""
        self._record()
        try:
            async with self._servers:
                await self._start_servers()
                with self._ports:
                    async with self._services:
                        await self._start_services()
                        self._secrets.draw(_DECIDED, lambda: json.dumps([self._options.email, self._options.workspace]))
                        say(self._welcome())
                        await asyncio.Event().wait()
        finally:
            (self._data / "run.json").unlink(missing_ok=True)

    def _as_decided(self, options: Options) -> Options:
        """Who owns which workspace was decided when it was made, whatever the environment says now."""
        if not self._secrets.path(_DECIDED).exists():
            return options
        email, workspace = json.loads(self._secrets.draw(_DECIDED))
        return replace(options, email=email, workspace=workspace, password=None)

    async def _start_servers(self) -> None:
        libraries = asyncio.create_task(asyncio.to_thread(_import_libraries))
        await together(self._start_postgres(libraries), self._start_nats(libraries))

    async def _start_postgres(self, libraries: asyncio.Task[None]) -> None:
        postgres = EmbeddedPostgres(self._data / "postgres")
        await self._servers.start("postgres", postgres)
        for service, passwords in self._secrets.note_databases(postgres, SERVICES).items():
            await postgres.ensure_database(service, *passwords)
        await libraries
        owners = {service: self._secrets.draw(f"{service}.owner-url") for service in SERVICES}
        await asyncio.to_thread(_migrate, owners)

    async def _start_nats(self, libraries: asyncio.Task[None]) -> None:
        await libraries
        from chassis.callout import draw_issuer, issuer_of
        from chassis.connection import inbox_prefix
        from chassis.provision import OPERATOR, PROVISIONER, Outsider, accounts, provision, users

        passwords = {user: self._secrets.draw(f"nats.{user}") for user in users()}
        outsider = Outsider(self._workspace_id, INTEGRATION, self._secrets.draw("nats.integration"))
        issuer, partitions = issuer_of(self._secrets.draw("nats-issuer", draw_issuer)), _partitions()
        entrance = accounts(passwords, issuer, [outsider], partitions)
        nats = EmbeddedNats(self._data / "nats", accounts=entrance, port=self._options.nats_port)
        await self._servers.start("nats", nats)
        url = nats.url(PROVISIONER, passwords[PROVISIONER])
        await provision(url, outsiders=[outsider], apply=True, partitions=partitions)
        for user in (*SERVICES, *_HANDS, PROVISIONER):
            self._secrets.put(f"{user}.nats-url", nats.url(user, passwords[user]))
        write_env(
            self._data / "integration.env",
            NATS_URL=nats.url(outsider.user, outsider.password),
            NATS_INBOX_PREFIX=outsider.inbox_prefix,
            WORKSPACE_ID=outsider.workspace_id,
            INTEGRATION=outsider.integration,
        )
        write_env(
            self._data / "operator.env",
            NATS_URL=nats.url(OPERATOR, passwords[OPERATOR]),
            NATS_INBOX_PREFIX=inbox_prefix(OPERATOR),
        )

    async def _start_services(self) -> None:
        if self._options.password:
            self._secrets.put("owner-password", self._options.password)
        wanted = dict.fromkeys(SERVICES, 0) | {"gateway": self._options.port}
        ports = {service: port or self._ports.enter_context(held_port()) for service, port in wanted.items()}
        for service, port in ports.items():
            self._programs[service] = Program(
                *(sys.executable, "-m", f"services.{service}"),
                port=port,
                env=self._environment(service, ports),
                cwd=_CHECKOUT,
                log=self._logs / f"{service}.log",
            )
        await together(*(self._services.start(service, program) for service, program in self._programs.items()))

    def _environment(self, service: str, ports: dict[str, int]) -> dict[str, str]:
        """What this service is told; the workspace's first owner only to the gateway, which makes them."""
        told = {
            "COUNTERFOIL_NATS_URL_FILE": str(self._secrets.path(f"{service}.nats-url")),
            "COUNTERFOIL_DATABASE_URL_FILE": str(self._secrets.path(f"{service}.database-url")),
            "COUNTERFOIL_HTTP_PORT": str(ports[service]),
        }
        if service == "notifications" and not os.environ.get("COUNTERFOIL_PUBLIC_URL"):
            told["COUNTERFOIL_PUBLIC_URL"] = f"http://localhost:{ports['gateway']}"
        if service == "gateway":
            self._owner_password()
            told |= {
                "COUNTERFOIL_WORKSPACE_ID": self._workspace_id,
                "COUNTERFOIL_WORKSPACE": self._options.workspace,
                "COUNTERFOIL_OWNER_EMAIL": self._options.email,
                "COUNTERFOIL_OWNER_PASSWORD_FILE": str(self._secrets.path("owner-password")),
                "COUNTERFOIL_DEMO": self._options.demo,
                "COUNTERFOIL_INTEGRATION": INTEGRATION,
                "COUNTERFOIL_NATS_ISSUER_FILE": str(self._secrets.path("nats-issuer")),
            }
            for hand in _HANDS:
                told[f"COUNTERFOIL_{hand.upper()}_NATS_URL_FILE"] = str(self._secrets.path(f"{hand}.nats-url"))
        return {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED} | told

    def _owner_password(self) -> str:
        return self._secrets.draw("owner-password", lambda: secrets.token_urlsafe(12))

    def _record(self) -> None:
        """Tell other tools which processes there are, and where each says how it is."""
        running = self._servers.report() | self._services.report()
        write_private(self._data / "run.json", json.dumps(running, indent=2) + "\n")

    def _welcome(self) -> str:
        return _WELCOME.format(
            address=f"http://{LOOPBACK}:{self._programs['gateway'].port}",
            email=self._options.email,
            password=self._owner_password(),
            workspace=self._options.workspace,
            integration=_near(self._data / "integration.env"),
            logs=_near(self._logs),
        )


async def run(options: Options) -> None:
    """Run everything until someone asks for the end; asking again changes nothing."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
            asyncio.get_running_loop().add_signal_handler(number, asked.set)
    refusal = f"it already runs in {options.data}: end that one, or set COUNTERFOIL_DATA to another directory."
    async with claim(options.data / "lock", refusal=refusal):
        for port, setting in ((options.port, "COUNTERFOIL_PORT"), (options.nats_port, "COUNTERFOIL_NATS_PORT")):
            if port:
                await refuse_taken(port, setting=setting)
        running, ending = asyncio.create_task(Machine(options).run()), asyncio.create_task(asked.wait())
        await asyncio.wait((running, ending), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            say("\n  Stopping: what has begun is finished first.")
        ending.cancel()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def make_ready(*, apply: bool) -> None:
    """Make what servers that someone else runs must hold before the services start."""
    from chassis.deployment import Deployment
    from chassis.provision import Drift, provision

    wanted: dict[str, Any] = {"replicas": _replicas(), "partitions": _partitions(), "ca": _told("COUNTERFOIL_NATS_CA")}
    try:
        if secrets_directory := os.environ.get("COUNTERFOIL_SECRETS"):
            deployment = Deployment(Path(secrets_directory))
            await deployment.make_databases(SERVICES)
            await deployment.make_streams(apply=apply, **wanted)
        else:
            await provision(_given("COUNTERFOIL_NATS_URL"), apply=apply, **wanted)
    except Drift as drift:
        raise StartFailed("\n".join(("this is not as the contracts say:", *drift.findings))) from None


def write_accounts(file: Path) -> None:
    """Write the part of a NATS server's configuration that says who may do what."""
    from chassis.deployment import Deployment

    Deployment(Path(os.environ.get("COUNTERFOIL_SECRETS") or "/run/secrets")).write_accounts(file, _partitions())


async def rescue(verb: str, *directories: Path) -> None:
    """Back up, restore or reconcile the servers that the environment names, else those of this machine."""
    from chassis.rescue import Rescue

    given = os.environ.get("COUNTERFOIL_SECRETS")
    ca = _told("COUNTERFOIL_NATS_CA")
    rescuer = Rescue(Path(given) if given else None, Options.read(os.environ).data, say, ca)
    await getattr(rescuer, verb)(*directories)


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Do all of it at once; the first failure ends the rest and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in work:
                group.create_task(part)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


def write_env(path: Path, **values: str) -> None:
    """Write a file that a shell can source."""
    write_private(path, "".join(f"{name}={value}\n" for name, value in values.items()))


def say(text: str) -> None:
    """Talk to the person at the terminal, if it is still there."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def main() -> None:
    if "MAKELEVEL" in os.environ:  # `make run` was killed; started by hand, it may go on behind a shell that ends
        die_with_parent(signal.SIGTERM)
    logs.configure("launcher", "warning")
    try:
        match sys.argv[1:]:
            case []:
                options = Options.read(os.environ)
                options.data.mkdir(parents=True, exist_ok=True)
                asyncio.run(run(options))
            case ["provision"] | ["provision", "--apply"] as words:
                asyncio.run(make_ready(apply="--apply" in words))
            case ["backup" | "restore" | "reconcile" as verb, *directories] if len(directories) == (
                verb != "reconcile"
            ):
                asyncio.run(rescue(verb, *map(Path, directories)))
            case ["nats-accounts", file]:
                write_accounts(Path(file))
            case _:
                sys.exit(_USAGE)
    except EmbeddedError as error:
        sys.exit(f"Counterfoil can't run: {error}")
    except OSError as error:
        sys.exit(
            f"Counterfoil can't run: {error.filename}: {error.strerror}. COUNTERFOIL_DATA may name a better place."
        )


def _port(environment: Mapping[str, str], name: str, usual: int) -> int:
    text = environment.get(name) or str(usual)
    if not text.isascii() or not text.isdecimal() or int(text) > _LAST_PORT:
        raise StartFailed(f"{name} is {text!r}, and must be a number up to {_LAST_PORT}.")
    return int(text)


def _told(name: str) -> str:
    """What the environment says, or the file that it names."""
    file = os.environ.get(f"{name}_FILE")
    return Path(file).read_text(encoding="utf-8").strip() if file else os.environ.get(name, "")


def _given(name: str) -> str:
    if not (text := _told(name)):
        raise StartFailed(f"{name} is not set: it names the server, with the provisioner's user and password.")
    return text


def _replicas() -> int:
    """On how many servers of a NATS cluster each stream is kept."""
    text = os.environ.get("COUNTERFOIL_NATS_REPLICAS") or "1"
    if text not in {"1", "3", "5"}:
        raise StartFailed(f"COUNTERFOIL_NATS_REPLICAS is {text!r}, and must be 1, 3 or 5.")
    return int(text)


def _partitions() -> int:
    """In how many parts the tickets' facts are heard."""
    text = os.environ.get("COUNTERFOIL_PARTITIONS") or "1"
    if text not in map(str, range(1, 65)):
        raise StartFailed(f"COUNTERFOIL_PARTITIONS is {text!r}, and must be a number from 1 to 64.")
    return int(text)


def _import_libraries() -> None:
    """Spend the seconds that SQLAlchemy and Alembic take; in one thread, since two would see each other's half."""
    for module in ("chassis.provision", "chassis.migrations"):
        importlib.import_module(module)


def _migrate(owners: Mapping[str, str]) -> None:
    from chassis.migrations import migrate

    for service, url in owners.items():
        migrate(service, url)


def _near(path: Path) -> Path:
    """The path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    main()
