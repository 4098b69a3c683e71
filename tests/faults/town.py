"""A desk whose notifications are a process of their own, to be killed; mail and webhooks end in this one."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx

from chassis.database import Database
from chassis.embedded.process import held_port
from chassis.provision import PROVISIONER, provision
from contracts.base import Role, now
from services.gateway import app as gateway
from services.gateway.domain import Workspace
from services.gateway.settings import Settings as GatewaySettings
from services.tickets import app as tickets
from services.tickets.settings import Settings as TicketsSettings
from tests.gateway.house import House, Somebody
from tests.gateway.newsroom import Newsroom
from tests.gateway.site import Site
from tests.notifications.helpdesk import deliver_again
from tests.notifications.postbox import Postbox, a_postbox
from tests.notifications.receiver import Receiver, a_receiver
from tests.support.eventually import eventually
from tests.support.infra import PROJECT, NatsServer, PostgresServer, embedded_nats

PATIENCE = 60
# News is written of when the test says that the minute is over: until then it waits for a day longer.
_NO_CLOCK = """
    create function waits_for_the_test() returns trigger language plpgsql as $$
        begin new.not_before := new.not_before + interval '1 day'; return new; end
    $$;
    create trigger waits_for_the_test before insert on news for each row execute function waits_for_the_test();
    create trigger waits_for_the_test before insert on contact_news
        for each row when (new.settled_at is null) execute function waits_for_the_test();
"""
_FACTS = """
    select seq, type, body::text,
        (select coalesce(json_object_agg(pointer, text), '{}')::text from event_texts as t
            where t.workspace_id = e.workspace_id and t.event_id = e.id) as words
    from event_log as e where workspace_id = $1 and seq > $2 order by seq
"""


@dataclass(slots=True)
class Notifications:
    """The service as a process, which is killed and starts again."""

    told: dict[str, str]
    process: asyncio.subprocess.Process | None = None
    kills: int = 0

    async def start(self) -> None:
        self.process = await self._run()

    async def rebuilds(self) -> None:
        """Have an operator make every inbox anew while it runs."""
        tool = await self._run("rebuild")
        assert await tool.wait() == 0

    async def _run(self, *verb: str) -> asyncio.subprocess.Process:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.notifications", *verb),
            cwd=PROJECT,
            env=environment | self.told,
            stderr=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )

    async def kill(self) -> None:
        """End it as a crash would."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        self.kills += 1

    async def dies(self) -> None:
        """Be killed and start again; who asks for something meanwhile has to ask again."""
        await self.kill()
        await self.start()


@dataclass(slots=True)
class Town:
    """Everything there is, and one workspace in it."""

    house: House
    client: httpx.AsyncClient
    nats: NatsServer
    stores: Mapping[str, asyncpg.Connection]
    notifications: Notifications
    box: Postbox
    receivers: tuple[Receiver, Receiver]
    site: Site
    read: dict[str, int] = field(default_factory=lambda: {"gateway": 0, "tickets": 0})
    """How far each log was read."""

    @property
    def workspace(self) -> Workspace:
        return self.site.workspace

    async def ask(self, who: Somebody, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Ask until there is an answer: yes or no, but never a crash."""

        async def answered() -> httpx.Response | None:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = await self.client.request(
                method, f"/api/v1/workspaces/{self.workspace.slug}/{path}", json=body, headers=who.bearer | named
            )
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                return None
            assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, answer.text
            return answer

        return await eventually(answered, within=PATIENCE)

    async def member(self, role: Role, name: str) -> Somebody:
        self.house.clock.at = now()
        return await self.house.member(self.workspace, role, name)

    async def facts(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the facts since the last time, with their words, as type and body."""
        found = []
        for owner, store in self.stores.items():
            if owner not in self.read:
                continue
            for row in await store.fetch(_FACTS, self.workspace.id, self.read[owner]):
                body = json.loads(row["body"])
                for pointer, words in json.loads(row["words"]).items():
                    *way, last = pointer.split("/")[1:]
                    place = body
                    for step in way:
                        place = place[int(step) if isinstance(place, list) else step]
                    place[int(last) if isinstance(place, list) else last] = words
                found.append((row["type"].rpartition(".")[2], body))
                self.read[owner] = row["seq"]
        return found

    async def all_heard(self) -> None:
        """Wait until notifications have applied all that was said so far."""
        said = {
            owner.upper(): await self.stores[owner].fetchval(
                "select count(*) from event_log where workspace_id = $1", self.workspace.id
            )
            for owner in self.read
        }

        async def heard() -> bool:
            rows = await self.stores["notifications"].fetch(
                "select consumer, position from consumed where workspace_id = $1", self.workspace.id
            )
            return all({row["consumer"]: row["position"] for row in rows}.get(book, 0) >= said[book] for book in said)

        await eventually(heard, within=PATIENCE)

    async def told_again(self) -> None:
        """Have everything delivered once more."""
        for stream in ("TICKETS", "GATEWAY"):
            await deliver_again(self.nats, stream)

    async def minute_passes(self) -> None:
        """Let news be written of, as after a minute; and hours since the last mails, and before the next tries."""
        store = self.stores["notifications"]
        await store.execute(
            "update mails set made_at = made_at - interval '2 hours', settled_at = settled_at - interval '2 hours'"
        )
        await store.execute("update webhook_deliveries set not_before = now() where state = 'pending'")
        await store.execute("update news set not_before = now() where mail_id is null")
        await store.execute("update contact_news set not_before = now() where settled_at is null")

    async def all_sent(self, owner: Somebody) -> None:
        """Wait until no mail waits; a person has those sent again that may not have arrived."""
        store = self.stores["notifications"]

        async def sent() -> bool:
            open_ = (
                "select id, state from mails where workspace_id = $1 and state in ('pending', 'uncertain', 'failed')"
            )
            waiting = await store.fetch(open_, self.workspace.id)
            for row in waiting:
                if row["state"] != "pending":
                    await self.ask(owner, "POST", f"mails/{row['id']}/resend")
            gathered = await store.fetchval(
                "select (select count(*) from news where mail_id is null)"
                " + (select count(*) from contact_news where settled_at is null)"
            )
            return not waiting and not gathered

        await eventually(sent, within=PATIENCE)

    async def kept(self, query: str) -> list[asyncpg.Record]:
        """Return what notifications have stored of the workspace."""
        return await self.stores["notifications"].fetch(query, self.workspace.id)


@asynccontextmanager
async def a_town(postgres_server: PostgresServer) -> AsyncIterator[Town]:
    """A town with an owner, an assistant, two webhooks' receivers and a mail server."""
    async with AsyncExitStack() as running:
        nats = await running.enter_async_context(embedded_nats(()))
        await provision(nats.url_for(PROVISIONER), apply=True)
        urls = {name: await postgres_server.migrated_database(name) for name in ("gateway", "tickets", "notifications")}
        stores = {}
        for name, url in urls.items():
            whole = urlsplit(postgres_server.superuser_url)._replace(path=urlsplit(url.app).path).geturl()
            stores[name] = await asyncpg.connect(whole)
            running.push_async_callback(stores[name].close)
        await stores["notifications"].execute(_NO_CLOCK)
        box = await running.enter_async_context(a_postbox())
        receivers = (
            await running.enter_async_context(a_receiver()),
            await running.enter_async_context(a_receiver()),
        )
        proxies: dict[str, Any] = {"trusted_proxies": "127.0.0.0/8"}  # Each visitor comes from an address of their own.
        door = gateway.build(
            GatewaySettings(nats_url=nats.url_for("gateway"), database_url=urls["gateway"].app, **proxies)
        )
        for service in (
            tickets.build(TicketsSettings(nats_url=nats.url_for("tickets"), database_url=urls["tickets"].app)),
            door,
        ):
            await service.start()
            running.push_async_callback(service.stop)
        house = House(Database(urls["gateway"].app, "gateway", pool=5))
        house.clock.at = now()
        running.push_async_callback(house.database.close)
        house.database.wake = door.database.wake
        notifications = Notifications(
            {
                "COUNTERFOIL_NATS_URL": nats.url_for("notifications"),
                "COUNTERFOIL_DATABASE_URL": urls["notifications"].app,
                "COUNTERFOIL_SMTP_URL": box.url,
                "COUNTERFOIL_MAIL_FROM": "Desk <desk@example.com>",
                "COUNTERFOIL_WEBHOOK_ALLOW": "127.0.0.0/8",
                "COUNTERFOIL_HTTP_PORT": str(running.enter_context(held_port())),
            }
        )
        await notifications.start()
        running.push_async_callback(notifications.kill)
        site = await running.enter_async_context(
            Site.opens(Newsroom(house, door, {}), allow_ticket_creation=True, require_contact_info=False)
        )
        yield Town(house, site.client, nats, stores, notifications, box, receivers, site)
