"""Forty secrets go through a running desk, by the front door and the back, and are written down nowhere."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from contracts.base import SERVICES
from tests.support.eventually import eventually
from tests.support.stack import Desk, Stack, publish

SHOP = "https://planted.example.com"
W = "/api/v1/workspaces/demo"


@dataclass
class Planted:
    """What must not be found, and every refusal that was given meanwhile."""

    stack: Stack
    desk: Desk
    http: httpx.AsyncClient
    secrets: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    @property
    def mine(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.desk.token}"}

    def draw(self, name: str) -> str:
        """Make one up."""
        return self.keep(name, f"PLANTED-{name.replace(' ', '-')}-{secrets.token_urlsafe(9)}")

    def keep(self, name: str, secret: str) -> str:
        self.secrets[name] = secret
        return secret

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Ask; the words of a refusal are looked through later."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.http.request(method, path, json=body, headers=named)
        if not answer.is_success:
            self.refused.append(f"{answer.headers!r} {answer.text}")
        return answer

    async def made(self, path: str, body: Any, **headers: str) -> dict[str, Any]:
        """Have something made as the owner."""
        answer = await self.ask("POST", path, body, **(self.mine | headers))
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def found_in(self, text: str) -> list[str]:
        return [name for name, secret in self.secrets.items() if secret in text]


async def come_in_wrongly(planted: Planted) -> None:
    """Knock with what is wrong or broken."""
    draw, ask, mine = planted.draw, planted.ask, planted.mine
    await ask("POST", "/api/v1/sessions", {"email": "ada@example.com", "password": draw("wrong password")})
    await ask("POST", "/api/v1/sessions", {"email": draw("typed into e-mail"), "password": "x"})
    await ask("GET", "/api/v1/me", authorization=f"Bearer {draw('wrong bearer')}")
    await ask("GET", "/api/v1/me", authorization=f"Basic {draw('basic access')}")
    await ask("GET", "/api/v1/me", cookie=f"__Host-session={draw('wrong cookie')}; session={draw('other cookie')}")
    await ask("PATCH", "/api/v1/me", {"name": [draw("wrong name")]}, **mine, x_csrf_token=draw("wrong csrf"))
    await ask("GET", f"/api/v1/invitations/{draw('wrong invitation')}")
    await ask("GET", f"/password-resets/{draw('wrong reset')}", accept="text/html")
    await ask("POST", f"/unsubscribe/{draw('wrong unsubscription')}")
    await ask("GET", f"{W}/tickets?access_token={draw('token in a query')}&q={draw('words searched')}", **mine)
    broken = b'{"password": "' + draw("broken JSON").encode() + b'"'
    planted.refused.append((await planted.http.post("/api/v1/sessions", content=broken, headers=mine)).text)
    await ask("POST", f"{W}/tickets", {"subject": ["x", draw("wrong type")]}, **mine)


async def have_secrets_drawn(planted: Planted) -> str:
    """Have the desk make what it shows once, and use some of it; return the id of a webhook that nobody answers."""
    draw, keep, ask, made = planted.draw, planted.keep, planted.ask, planted.made
    keep("session", planted.desk.token)
    robot = keep(
        "API token",
        (
            await made(
                f"{W}/tokens", {"name": "robot", "role": "member", "scopes": ["tickets:read"], "expires_in_days": 1}
            )
        )["token"],
    )
    await ask("DELETE", f"{W}/tickets/1", authorization=f"Bearer {robot}")
    invited = await made(f"{W}/invitations", {"email": "p@planted.example", "name": "P", "role": "member"})
    accept = f"/api/v1/invitations/{keep('invitation', invited['token'])}/accept"
    keep("new session", (await ask("POST", accept, {"password": draw("new password")})).json()["token"])
    await ask("POST", "/api/v1/password-resets", {"email": "p@planted.example"})
    url = f"http://127.0.0.1:9/{draw('path of a webhook')}?key={draw('query of a webhook')}"
    hook = await made(f"{W}/webhooks", {"url": url, "event_types": ["*"]})
    keep("webhook's secret", hook["secret"])
    keep("webhook's next secret", (await made(f"{W}/webhooks/{hook['id']}/rotate", {}))["secret"])
    assistant = await made(f"{W}/assistants", {"name": "S", "widget": {"allowed_origins": [SHOP]}})
    identity = await ask("GET", f"{W}/assistants/{assistant['id']}/identity-secret", **planted.mine)
    keep("identity secret", identity.json()["secret"])
    widget = f"/widget/v1/{assistant['id']}/conversations"
    talk = await ask("POST", widget, {"body": draw("words of a visitor")}, origin=SHOP)
    keep("visitor's token", talk.json()["visitor_token"])
    await ask("POST", widget, {"body": "x", "identity": draw("wrong identity")}, origin=SHOP)
    return str(hook["id"])


async def say_things(planted: Planted) -> None:
    """Say what nobody but the team may read, over HTTP and as another system."""
    draw, ask, mine = planted.draw, planted.ask, planted.mine
    contact = {"name": "G", "email": f"{draw('address')}@x.example"}
    asked = {"subject": draw("words of a ticket"), "contact": contact}
    ticket = await planted.made(f"{W}/tickets", asked, idempotency_key=draw("idempotency key"))
    await planted.made(f"{W}/tickets/{ticket['id']}/notes", {"body": draw("words of a note")})
    await ask("PATCH", f"{W}/tickets/{ticket['id']}", {"priority": draw("wrong priority")}, **mine)
    access = planted.stack.env("integration")
    subject = f"tickets.intake.v1.ticket_requested.{access['WORKSPACE_ID']}.{access['INTEGRATION']}"
    bodies = (
        json.dumps({"external_id": "p", "subject": [draw("words of a dead letter")]}).encode(),
        f'{{"token": "{draw("rubbish")}"'.encode(),
    )
    async with planted.stack.nats("integration") as client:
        for body in bodies:
            await publish(client, subject, body, {"ce-id": secrets.token_hex(8), "x-auth": draw("header over NATS")})


async def statistics(stack: Stack, http: httpx.AsyncClient) -> list[str]:
    """Return all that services tell of themselves."""
    ready = [stack.running[name]["health"] for name in SERVICES]
    pages = [*ready, *(address.replace("/health/ready", "/metrics") for address in ready)]
    told = [(await http.get(page)).text for page in pages]
    async with stack.nats("operator") as operator:
        for verb in ("PING", "INFO", "STATS"):
            answers = [await operator.request(f"$SRV.{verb}.{name}", b"", timeout=5) for name in SERVICES]
            told += [answer.data.decode() for answer in answers]
    return told


async def test_no_secret_is_in_a_log_an_error_a_metric_or_a_statistic(stack: Stack, desk: Desk) -> None:
    buried = len((await desk.get("dead-letters?limit=100"))["items"])
    async with httpx.AsyncClient(base_url=stack.url, timeout=20) as http:
        planted = Planted(stack, desk, http)
        await come_in_wrongly(planted)
        hook = await have_secrets_drawn(planted)
        await say_things(planted)
        # Ways into the servers
        for path in (stack.data / "secrets").iterdir():
            written = path.read_text(encoding="utf-8").strip()
            if path.name not in {"workspace-id", "first-workspace"}:
                planted.keep(path.name, written.rpartition("@")[0].rpartition(":")[2] if "://" in written else written)

        async def settled() -> bool:
            calls = (await desk.get(f"webhooks/{hook}/deliveries"))["items"]
            letters = (await desk.get("dead-letters?limit=100"))["items"]
            return len(letters) >= buried + 2 and any(call["attempts"] for call in calls)

        await eventually(settled, within=30)
        await planted.ask("DELETE", f"{W}/webhooks/{hook}", **planted.mine)
        told = await statistics(stack, http)

    logs = {log.name: log for log in (*stack.data.rglob("*.log"), *stack.data.parent.glob("*.log"))}
    assert logs.keys() >= {*(f"{name}.log" for name in (*SERVICES, "nats", "postgres"))}
    assert min(len(planted.secrets) / 40, len(planted.refused) / 12) >= 1
    assert {name: found for name, log in logs.items() if (found := planted.found_in(_read(log)))} == {}
    assert [found for answer in planted.refused if (found := planted.found_in(answer))] == []
    assert [found for text in told if (found := planted.found_in(text))] == []


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")
