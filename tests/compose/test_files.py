"""What containers are made of, read as files: these laws need no Docker."""

import json
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from chassis.callout import issuer_of
from chassis.connection import credentials, inbox_prefix, servers
from chassis.deployment import Deployment
from chassis.embedded import nats as embedded
from chassis.embedded.process import StartFailed
from chassis.provision import CALLOUT, KEEPER, KICKER, Outsider, users
from chassis.settings import ServiceSettings
from contracts.base import SERVICES
from contracts.refusals import Unavailable
from services.__main__ import SERVICES as LAUNCHED
from services.gateway.routes.problems import MEDIA_TYPE, document
from tests.support.pages import DOCS, bash, blocks

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
PROXY = (ROOT / "deploy" / "proxy" / "haproxy.cfg").read_text(encoding="utf-8")
TASKS = {"accounts", "provision"}
BESIDE = {"mail", "prometheus", "grafana"}
OURS = {*SERVICES, *TASKS}
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [(word, rest) for line in joined.splitlines() if line for word, _, rest in [line.partition(" ")]]


def of(word: str) -> list[str]:
    return [rest for each, rest in instructions() if each == word]


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    directory = tmp_path / "secrets"
    runpy.run_path(str(ROOT / "deploy" / "make_secrets.py"))["main"](directory)
    return directory


def test_the_image_runs_as_nobody_in_particular() -> None:
    (user,) = of("USER")

    assert min(int(number) for number in user.split(":")) >= 10001


def test_the_classic_builder_understands_the_dockerfile() -> None:
    assert not re.search(r"^#\s*(syntax|escape|check)\s*=", DOCKERFILE, re.MULTILINE)
    assert "<<" not in DOCKERFILE
    assert [
        rest for word, rest in instructions() if word in {"COPY", "ADD", "RUN"} and re.match(r"--(?!from=)", rest)
    ] == []
    assert [rest for rest in of("HEALTHCHECK") if "--start-interval" in rest] == []


def test_what_is_built_is_locked_and_pinned() -> None:
    (uv,) = re.findall(r"uv==([\d.]+)", DOCKERFILE)
    (ours,) = re.findall(r"^UV_VERSION := (\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert uv == ours
    assert [run for run in of("RUN") if "uv sync" in run and not {"--frozen", "--no-dev"} <= {*run.split()}] == []
    images = [image.split()[0] for image in of("FROM")] + [part["image"] for part in PARTS.values() if "image" in part]
    assert [image for image in images if not re.search(r":v?\d+", image)] == []


def test_the_image_is_asked_for_its_health_and_ends_when_it_is_told() -> None:
    (health,), (command,) = of("HEALTHCHECK"), of("CMD")

    assert "/health/ready" in health
    assert command.startswith("[")
    assert "exec python -m services" in command


def test_an_image_holds_its_own_service_alone() -> None:
    copied = {rest for rest in of("COPY") if not rest.startswith("--from")}

    assert {rest for rest in copied if rest.startswith("services")} == {
        "services/__init__.py services/${SERVICE}/pyproject.tom[l] services/${SERVICE}/",
        "services/__init__.py services/",
        "services/${SERVICE} services/${SERVICE}",
    }
    assert IGNORED[0] == "*"
    assert not {"!.", "!var", "!tests", "!.git"} & {*IGNORED}


def test_the_four_services_and_what_they_need_are_there() -> None:
    assert {name for name, part in PARTS.items() if "profiles" not in part} == OURS | {"nats", "postgres", "proxy"}
    assert {name for name, part in PARTS.items() if "profiles" in part} == BESIDE
    assert {PARTS[name]["build"]["args"]["SERVICE"] for name in SERVICES} == {*SERVICES}
    assert [name for name in TASKS if "args" in PARTS[name]["build"]] == []


def test_every_server_tells_its_health_and_comes_back() -> None:
    assert [name for name in ("nats", "postgres") if not PARTS[name]["healthcheck"]["test"]] == []
    assert [name for name in SERVICES if "healthcheck" in PARTS[name]] == [], "the image's own is asked"
    assert [name for name in {*PARTS} - TASKS if PARTS[name].get("restart") != "unless-stopped"] == []
    assert [name for name in TASKS if "restart" in PARTS[name]] == []


def test_services_wait_for_what_provisions_them() -> None:
    for name in SERVICES:
        assert PARTS[name]["depends_on"] == {"provision": {"condition": "service_completed_successfully"}}
    assert PARTS["provision"]["depends_on"] == {
        "nats": {"condition": "service_healthy"},
        "postgres": {"condition": "service_healthy"},
    }


def test_only_the_proxy_is_open_to_the_outside() -> None:
    assert [name for name, part in PARTS.items() if "ports" in part and "profiles" not in part] == ["proxy"]
    assert PARTS["proxy"]["ports"] == ["${COUNTERFOIL_PORT:-8080}:8080"]
    assert PARTS["proxy"]["depends_on"] == {"gateway": {"condition": "service_healthy"}}


def test_the_proxy_speaks_for_a_gateway_that_does_not_answer_in_the_words_of_the_api() -> None:
    said = re.findall(r"^    http-error status (\d+) content-type (\S+) string '(.*)' (hdr .*)$", PROXY, re.MULTILINE)

    assert [int(status) for status, *_ in said] == [503, 502, 504]
    for status, kind, body, headers in said:
        problem = json.loads(body)
        assert kind == MEDIA_TYPE
        assert problem == document(Unavailable(problem["detail"])) | {"status": int(status), "trace_id": ""}
        assert headers == "hdr Retry-After 1 hdr Cache-Control no-store"


def test_the_proxy_says_each_thing_once() -> None:
    assert re.findall(r"^\s*log\b.*", PROXY, re.MULTILINE) == [], "in the foreground it tells stderr besides"


def test_our_containers_can_neither_write_nor_rise() -> None:
    for name in OURS | {"nats", "proxy", "postgres"}:
        assert PARTS[name]["read_only"] is True
        assert PARTS[name]["cap_drop"] == ["ALL"]
        assert PARTS[name]["security_opt"] == ["no-new-privileges:true"]


def test_no_secret_is_in_an_environment() -> None:
    said = {(name, *each) for name, part in PARTS.items() for each in part.get("environment", {}).items()}
    secretive = re.compile(r"PASSWORD|SECRET|TOKEN|_URL")
    for name, variable, value in said:
        if secretive.search(variable) and variable not in {
            "COUNTERFOIL_PUBLIC_URL",
            "COUNTERFOIL_NATS_PUBLIC_URL",
            "COUNTERFOIL_INBOUND_URL",
            "COUNTERFOIL_SECRETS",
        }:
            assert variable.endswith("_FILE"), (name, variable)
            assert value.startswith("/run/secrets/"), (name, variable)


def test_a_service_holds_its_own_secrets_alone() -> None:
    hands = {f"{user}.nats-url" for user in (CALLOUT, KEEPER, KICKER)}
    besides = {
        "gateway": {"workspace-id", "owner-password", "nats-issuer"} | hands,
        "notifications": {"smtp-url"},
    }
    for name in SERVICES:
        own = {"metrics-token", f"{name}.nats-url", f"{name}.database-url"} | besides.get(name, set())
        assert {*PARTS[name]["secrets"]} == own


def test_every_secret_is_drawn_and_none_is_drawn_in_vain(drawn: Path) -> None:
    named = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}

    assert {path.name for path in drawn.iterdir()} == named == {*COMPOSE["secrets"]}
    assert {name for part in PARTS.values() for name in part.get("secrets", [])} == named - {""}


def test_a_secret_is_drawn_once_and_its_directory_is_shut(drawn: Path) -> None:
    before = {path.name: path.read_text() for path in drawn.iterdir()}

    runpy.run_path(str(ROOT / "deploy" / "make_secrets.py"))["main"](drawn)

    assert {path.name: path.read_text() for path in drawn.iterdir()} == before
    assert drawn.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in drawn.iterdir()} == {0o444}
    assert {path.stat().st_mode & 0o777 for path in drawn.parent.glob("*.env")} == {0o600}


def test_nats_keeps_what_it_acknowledges() -> None:
    config = (ROOT / "deploy" / "nats.conf").read_text(encoding="utf-8")

    assert re.search(r"^\s*sync_interval: always$", config, re.MULTILINE)
    assert re.search(r"^max_payload: 262144$", config, re.MULTILINE)
    assert re.search(r'^include "accounts/accounts.conf"$', config, re.MULTILINE)
    assert "password" not in config


def test_nats_is_as_generous_as_on_one_machine() -> None:
    limit = re.compile(r"^\s*(max_\w+|sync_interval|write_deadline|ping_\w+): (\S+)$", re.MULTILINE)
    here = limit.findall((ROOT / "deploy" / "nats.conf").read_text(encoding="utf-8"))

    assert {*here} == {*limit.findall(embedded._CONFIG)}


def test_everyone_enters_nats_with_a_name_and_a_password_of_their_own(drawn: Path, tmp_path: Path) -> None:
    Deployment(drawn).write_accounts(tmp_path / "accounts.conf")

    accounts = (tmp_path / "accounts.conf").read_text()
    issuer = issuer_of((drawn / "nats-issuer").read_text())
    assert re.findall(r"issuer: (\S+), account: AUTH\b.*\bOUT\b", accounts) == [issuer]
    found = re.findall(r'user: "([^"]+)", password: "([^"]+)"', accounts)
    integration = (tmp_path / "integration.env").read_text()
    outsider = Outsider((drawn / "workspace-id").read_text(), "demo", "")
    assert {user for user, _ in found} == {*users(), outsider.user}
    assert len({password for _, password in found}) == len(found)
    assert f"NATS_INBOX_PREFIX={inbox_prefix(outsider.user)}\n" in integration
    assert f"nats://{outsider.user}:{dict(found)[outsider.user]}@127.0.0.1:4222\n" in integration


def test_nats_takes_what_is_written(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "accounts").mkdir()
    Deployment(drawn).write_accounts(tmp_path / "accounts" / "accounts.conf")
    config = (ROOT / "deploy" / "nats.conf").read_text(encoding="utf-8").replace("/data", str(tmp_path / "data"))
    (tmp_path / "nats.conf").write_text(config, encoding="utf-8")

    said = subprocess.run(
        [embedded._binary(), "-t", "-c", tmp_path / "nats.conf"], capture_output=True, text=True, check=False
    )
    assert (said.returncode, "is valid" in said.stderr + said.stdout) == (0, True), said.stderr


def test_a_secret_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"tickets\.nats-url"):
        Deployment(tmp_path).write_accounts(tmp_path / "accounts.conf")


def test_what_is_launched_on_one_machine_is_provisioned_for_containers() -> None:
    assert {*LAUNCHED} <= {*SERVICES}


async def test_what_the_page_says_moves_every_address_to_other_servers(tmp_path: Path) -> None:
    secrets = tmp_path / "var" / "compose" / "secrets"
    runpy.run_path(str(ROOT / "deploy" / "make_secrets.py"))["main"](secrets)
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    (written,) = (block for block in blocks(DOCS / "operations.md", "sh", "In containers") if "sed " in block.text)
    moving = [line for line in written.text.splitlines() if "sed " in line]
    assert len(moving) == 2
    await bash(tmp_path, "\n".join(moving))

    after = {path.name: path.read_text() for path in secrets.iterdir()}
    addresses = {name for name in after if name.endswith("url")} - {"smtp-url"}
    assert {name for name in after if after[name] != before[name]} == addresses
    for service in SERVICES:
        settings = ServiceSettings(
            nats_url=after[f"{service}.nats-url"].strip(), database_url=after[f"{service}.database-url"].strip()
        )
        assert credentials(settings.nats_url) == credentials(before[f"{service}.nats-url"].strip())
        assert servers(settings.nats_url) == [f"nats://nats-{nth}.internal:4222" for nth in (1, 2, 3)]
        for kind in ("database", "owner"):
            there, here = (urlsplit(each[f"{service}.{kind}-url"].strip()) for each in (after, before))
            assert there == here._replace(netloc=here.netloc.replace("@postgres:", "@postgres.internal:"))
    Deployment(secrets).write_accounts(tmp_path / "accounts.conf")
    assert (credentials(before["tickets.nats-url"].strip())[1] or "-") in (tmp_path / "accounts.conf").read_text()

    beside = (ROOT / "deploy" / "elsewhere.yml").read_text(encoding="utf-8").replace("!reset ", "")
    left_out: dict[str, Any] = yaml.safe_load(beside)["services"]
    assert {name for name, part in left_out.items() if part.get("profiles")} == {"accounts", "nats", "postgres"}
    waits = {on for name in OURS - left_out.keys() | {"proxy"} for on in PARTS[name].get("depends_on", ())}
    assert waits.isdisjoint({"accounts", "nats", "postgres"})
