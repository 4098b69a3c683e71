"""Three NATS servers on one machine: an integration comes in anywhere, and is cut off everywhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import nats
import pytest
from nats.aio.client import Client
from pydantic import SecretStr

from chassis.callout import draw_issuer, issuer_of
from chassis.database import Database
from chassis.embedded.nats import EmbeddedNats
from chassis.embedded.process import held_port
from chassis.provision import CALLOUT, KEEPER, KICKER, PROVISIONER, accounts, provision, users
from services.gateway import app as gateway
from services.gateway.settings import Settings
from tests.gateway.house import House
from tests.support.eventually import eventually
from tests.support.infra import PostgresServer, temporary_directory

_PASSWORD = "one-for-all-of-us"
_SERVERS = ("north", "east", "west")


class Member(EmbeddedNats):
    """One server of a cluster."""

    name: str = ""
    cluster: str = ""

    def _configuration(self) -> str:
        return super()._configuration().replace("server_name: counterfoil", f"server_name: {self.name}") + self.cluster


@asynccontextmanager
async def a_cluster() -> AsyncIterator[tuple[list[Member], str]]:
    """Three servers that know each other, with every stream, and the seed of whoever answers for others."""
    issuer = draw_issuer()
    entrance = accounts(dict.fromkeys(users(), _PASSWORD), issuer_of(issuer))
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(temporary_directory())
        with held_port() as one, held_port() as two, held_port() as three:
            ports = (one, two, three)
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
        members = []
        for name, port in zip(_SERVERS, ports, strict=True):
            member = Member(directory / name, accounts=entrance)
            member.name = name
            member.cluster = f'cluster {{ name: desk, listen: "127.0.0.1:{port}", routes: [{routes}] }}\n'
            members.append(member)
            stack.push_async_callback(member.stop)
        await asyncio.gather(*(member.start() for member in members))
        await provision(members[0].url(PROVISIONER, _PASSWORD), apply=True)
        yield members, issuer


@pytest.mark.timeout(180)  # three servers agree on who leads before anything is there
async def test_who_is_revoked_is_cut_off_on_every_server_and_a_gateway_that_is_away_stops_none_of_ours(
    postgres_server: PostgresServer,
) -> None:
    urls = await postgres_server.migrated_database("gateway")
    database = Database(urls.app, "gateway", pool=5)
    house = House(database)
    async with AsyncExitStack() as stack:
        members, issuer = await stack.enter_async_context(a_cluster())
        stack.push_async_callback(database.close)
        hands: dict[str, Any] = {
            f"{user}_nats_url": members[0].url(user, _PASSWORD) for user in (CALLOUT, KEEPER, KICKER)
        }
        desk = gateway.build(
            Settings(
                nats_url=members[0].url("gateway", _PASSWORD),
                database_url=urls.app,
                nats_issuer=SecretStr(issuer),
                **hands,
            )
        )
        await desk.start()
        stack.push_async_callback(desk.stop)
        owner = await house.somebody()
        workspace = await house.workspace(owner)
        path = f"/api/v1/workspaces/{workspace.slug}/integrations"
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{desk.port}", headers=owner.bearer, timeout=20)
        )

        async def made(name: str) -> dict[str, Any]:
            answer = await http.post(path, json={"name": name})
            assert answer.status_code == 201, answer.text
            return dict(answer.json())

        async def comes_in(integration: dict[str, Any], member: Member) -> Client:
            known = urlsplit(integration["nats_url"])
            client = await nats.connect(
                member.url(known.username or "", known.password or ""),
                inbox_prefix=integration["inbox_prefix"],
                allow_reconnect=False,
                connect_timeout=10,
            )
            stack.push_async_callback(client.close)
            return client

        async def writes(integration: dict[str, Any], client: Client) -> str:
            subject = integration["subjects"][0].replace("*", "ticket_requested")
            return (await client.jetstream(timeout=10).publish(subject, b"{}")).stream

        alerts, stays = await made("alerts"), await made("stays")
        everywhere = [await comes_in(alerts, member) for member in members]
        others = [await comes_in(stays, member) for member in members]
        assert [client._server_info["server_name"] for client in everywhere] == [*_SERVERS]
        assert {client._server_info["cluster"] for client in everywhere} == {"desk"}
        for client in everywhere:
            assert await writes(alerts, client) == "INTAKE"

        assert (await http.delete(f"{path}/{alerts['id']}")).status_code == 204
        await eventually(lambda: all(client.is_closed for client in everywhere), within=5)
        assert all(client.is_connected for client in others)

        await desk.stop()
        for member, client in zip(members, others, strict=True):
            for service in ("tickets", "activity", "notifications", "gateway"):
                ours = await nats.connect(member.url(service, _PASSWORD), allow_reconnect=False)
                await ours.close()
            assert await writes(stays, client) == "INTAKE"
