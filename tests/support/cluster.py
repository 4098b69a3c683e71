"""Three NATS servers on one machine that keep every stream together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from chassis.callout import draw_issuer, issuer_of
from chassis.embedded.nats import EmbeddedNats
from chassis.embedded.process import held_port
from chassis.provision import PROVISIONER, accounts, provision, users
from tests.support.infra import temporary_directory
from tests.support.replicas import with_chaos

SERVERS = ("north", "east", "west")


class Member(EmbeddedNats):
    """One server of a cluster."""

    name: str = ""
    cluster: str = ""

    def _configuration(self) -> str:
        return super()._configuration().replace("server_name: counterfoil", f"server_name: {self.name}") + self.cluster


@dataclass(frozen=True, slots=True)
class Cluster:
    """Its servers by name, one password for everybody, and the seed of whoever answers for others."""

    members: dict[str, Member]
    password: str
    issuer: str

    def url(self, user: str) -> str:
        """Every server, as a deployment names them."""
        return ",".join(member.url(user, self.password) for member in self.members.values())


@asynccontextmanager
async def a_cluster(*, replicas: int = 1) -> AsyncIterator[Cluster]:
    """Three servers that know each other, with every stream on so many of them, and `CHAOS` as in `a_broker`."""
    password, issuer = "one-for-all-of-us", draw_issuer()
    entrance = with_chaos(accounts(dict.fromkeys(users(), password), issuer_of(issuer)), password)
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(temporary_directory())
        with held_port() as one, held_port() as two, held_port() as three:
            ports = (one, two, three)
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
        members = {}
        for name, port in zip(SERVERS, ports, strict=True):
            member = members[name] = Member(directory / name, accounts=entrance)
            member.name = name
            member.cluster = f'cluster {{ name: desk, listen: "127.0.0.1:{port}", routes: [{routes}] }}\n'
            stack.push_async_callback(member.stop)
        await asyncio.gather(*(member.start() for member in members.values()))
        cluster = Cluster(members, password, issuer)
        await provision(cluster.url(PROVISIONER), apply=True, replicas=replicas)
        yield cluster
