"""What PostgreSQL gives each service, wherever it runs: a database and two roles."""

import base64
import hashlib
import hmac
import secrets
from typing import Final

import asyncpg

from chassis.embedded.process import StartFailed

_SCRAM_ROUNDS: Final = 4096
_OPEN_TO_ALL: Final = """
    SELECT datname FROM pg_database WHERE datname IN ('postgres', 'template1') AND pg_has_role(datdba, 'USAGE')
        AND has_database_privilege('public', oid, 'CONNECT, TEMPORARY')
"""
"""What PostgreSQL comes with; a provider may have kept it for itself."""


def restoring(service: str) -> str:
    """Return what a service's database is called while it is restored."""
    return f"{service}_restoring"


async def ensure_database(
    superuser: asyncpg.Connection, service: str, owner_password: str, app_password: str, *, restored: bool = False
) -> None:
    """Give a service its database and two roles, on any server; doing it again sets the passwords again.

    `<service>_owner` owns the database and migrates it. `<service>_app` owns nothing, and row-level security binds
    it. Nobody else may connect, nor they to any other database of the server. `restored`: it has another name until it
    is filled from a backup and whole.

    Raises StartFailed where a restore was broken off: what is started then would be another desk.
    """
    owner, app = f"{service}_owner", f"{service}_app"
    name = restoring(service) if restored else service
    await superuser.execute("SELECT pg_advisory_lock(hashtext('counterfoil.ensure_database'))")
    try:
        for role, password in ((owner, owner_password), (app, app_password)):
            known = await superuser.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
            await superuser.execute(
                f'{"ALTER" if known else "CREATE"} ROLE "{role}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE '
                f"NOREPLICATION NOBYPASSRLS PASSWORD '{_scram(password)}'"
            )
        there = {row["datname"] for row in await superuser.fetch("SELECT datname FROM pg_database")}
        if not restored and restoring(service) in there:
            raise StartFailed("A restore was broken off before it was whole: restore again, from the same backup.")
        if name not in there:
            await superuser.execute(
                f'CREATE DATABASE "{name}" OWNER "{owner}" TEMPLATE template0 ENCODING UTF8 '
                "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"
            )
        await superuser.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
        await superuser.execute(f'GRANT CONNECT ON DATABASE "{name}" TO "{app}"')
        for row in await superuser.fetch(_OPEN_TO_ALL):
            await superuser.execute(f'REVOKE CONNECT, TEMPORARY ON DATABASE "{row["datname"]}" FROM PUBLIC')
    finally:
        await superuser.execute("SELECT pg_advisory_unlock(hashtext('counterfoil.ensure_database'))")


def _scram(password: str) -> str:
    """What PostgreSQL stores of a password, so that the password itself stands in no statement, log or packet."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${_SCRAM_ROUNDS}:{salt64}${stored64}:{server64}"
