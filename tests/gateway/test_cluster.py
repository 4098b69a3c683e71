"""Three NATS servers on one machine: an integration comes in anywhere, and is cut off everywhere."""

from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import nats
import pytest
from nats.aio.client import Client
from pydantic import SecretStr

from chassis.database import Database
from chassis.provision import CALLOUT, KEEPER, KICKER
from services.gateway import app as gateway
from services.gateway.settings import Settings
from tests.gateway.house import House
from tests.support.cluster import SERVERS, Member, a_cluster
from tests.support.eventually import eventually
from tests.support.infra import PostgresServer

pytestmark = pytest.mark.rehearsal


@pytest.mark.timeout(180)  # three servers agree on who leads before anything is there
async def test_who_is_revoked_is_cut_off_on_every_server_and_a_gateway_that_is_away_stops_none_of_ours(
    postgres_server: PostgresServer,
) -> None:
    urls = await postgres_server.migrated_database("gateway")
    database = Database(urls.app, "gateway", pool=5)
    house = House(database)
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(a_cluster())
        members = list(cluster.members.values())
        stack.push_async_callback(database.close)
        hands: dict[str, Any] = {f"{user}_nats_url": cluster.url(user) for user in (CALLOUT, KEEPER, KICKER)}
        desk = gateway.build(
            Settings(
                nats_url=cluster.url("gateway"),
                database_url=urls.app,
                nats_issuer=SecretStr(cluster.issuer),
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
        assert [client._server_info["server_name"] for client in everywhere] == [*SERVERS]
        assert {client._server_info["cluster"] for client in everywhere} == {"desk"}
        for client in everywhere:
            assert await writes(alerts, client) == "INTAKE"

        assert (await http.delete(f"{path}/{alerts['id']}")).status_code == 204
        await eventually(lambda: all(client.is_closed for client in everywhere), within=5)
        assert all(client.is_connected for client in others)

        await desk.stop()
        for member, client in zip(members, others, strict=True):
            for service in ("tickets", "activity", "notifications", "gateway"):
                ours = await nats.connect(member.url(service, cluster.password), allow_reconnect=False)
                await ours.close()
            assert await writes(stays, client) == "INTAKE"
