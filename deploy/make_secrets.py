"""Draws the secrets of docker-compose.yml, each into a file of its own; one that is there stays as it is.

python3 deploy/make_secrets.py [directory]      the directory is var/compose/secrets, unless it is given

It needs a Python alone. The files may be read by everyone, since a container's user is nobody on this machine; the
directory may be entered by its owner only.
"""

import base64
import binascii
import os
import secrets
import sys
import uuid
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

SERVICES: Final = ("tickets", "activity", "notifications", "gateway")
INTEGRATION: Final = "demo"
_HERE: Final = f"127.0.0.1:{os.environ.get('COUNTERFOIL_NATS_PORT') or '4222'}"


def main(directory: Path) -> None:
    """Draw what is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    workspace_id = draw(directory / "workspace-id", str(uuid.uuid4()))
    draw(directory / "owner-password", secrets.token_urlsafe(12))
    draw(directory / "metrics-token", word())
    draw(directory / "grafana.password", secrets.token_urlsafe(12))
    draw(directory / "smtp-url", "")  # no mail is sent until somebody writes where to
    password = draw(directory / "postgres.password", word())
    draw(directory / "postgres.url", f"postgresql://postgres:{password}@postgres:5432/postgres")
    for service in SERVICES:
        draw(directory / f"{service}.database-url", database_url(service, "app"))
        draw(directory / f"{service}.owner-url", database_url(service, "owner"))
    for user in (*SERVICES, "provisioner", "operator", "keeper", "callout", "kicker"):
        draw(directory / f"{user}.nats-url", nats_url(user))
    draw(directory / "nats-issuer", account_seed(secrets.token_bytes(32)))
    draw(directory / "integration.nats-url", nats_url(f"{INTEGRATION}_{workspace_id}"))
    access(directory, "operator")
    access(directory, "integration", WORKSPACE_ID=workspace_id, INTEGRATION=INTEGRATION)


def draw(path: Path, fresh: str) -> str:
    """Return the secret in that file; `fresh` is written if there is none."""
    if not path.exists():
        write(path, fresh, 0o444)
    return path.read_text(encoding="utf-8").strip()


def access(directory: Path, name: str, **more: str) -> None:
    """Tell in a file beside the directory how a program on this machine enters NATS, where its port is open."""
    url = urlsplit((directory / f"{name}.nats-url").read_text(encoding="utf-8").strip())
    told = {
        "NATS_URL": f"nats://{url.username}:{url.password}@{_HERE}",
        "NATS_INBOX_PREFIX": f"_INBOX_{url.username}",
    }
    lines = "".join(f"{key}={value}\n" for key, value in (told | more).items())
    write(directory.parent / f"{name}.env", lines, 0o600)


def write(path: Path, text: str, mode: int) -> None:
    """Write the file whole or not at all."""
    half = path.with_name(f".{path.name}.half")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    half.chmod(mode)
    half.replace(path)


def word() -> str:
    """Return a password that stands in a URL as it is."""
    return secrets.token_urlsafe(24)


def nats_url(user: str) -> str:
    """Return where that user enters NATS."""
    return f"nats://{user}:{word()}@nats:4222"


def account_seed(chance: bytes) -> str:
    """Return the seed of a NATS account key: what it is for, what it is made of, and a checksum."""
    seed_of_an_account = bytes((18 << 3, 0))
    raw = seed_of_an_account + chance
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


def database_url(service: str, role: str) -> str:
    """Return where that role of a service enters its database."""
    return f"postgresql://{service}_{role}:{word()}@postgres:5432/{service}"


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else "var/compose/secrets"))
