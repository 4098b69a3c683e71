"""What an operator runs: python -m services.notifications mails [--show ID | --resend ID] | inbound [ID] | rebuild."""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from uuid import UUID

from chassis.bus import Bus
from chassis.connection import connect
from chassis.database import Database
from chassis.logs import configure
from chassis.requests import ask
from chassis.settings import ServiceSettings
from chassis.telemetry import Metrics
from contracts.refusals import Refusal
from services.notifications.handlers import listen
from services.notifications.usecases import inbound, mails, rebuilding

_MANY = 50

type Say = Callable[[str], None]


def run(arguments: Sequence[str], settings: Callable[[], ServiceSettings]) -> int:
    """Do what the verb says and return the exit status: 0, or 1 where it can't be done."""
    configure("notifications", "warning")
    asked = _parser().parse_args(arguments)

    async def work() -> int:
        database = Database(settings().database_url, "notifications", pool=2)
        try:
            if asked.verb == "rebuild":
                return await rebuild(database, settings().nats_url, print, settings().nats_ca)
            if asked.verb == "inbound":
                return await (came_in(database, print) if asked.id is None else as_it_came(database, asked.id, print))
            if asked.show is not None:
                return await show(database, asked.show, print)
            if asked.resend is not None:
                return await resend(database, asked.resend, print)
            return await newest(database, print)
        finally:
            await database.close()

    return asyncio.run(work())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.notifications")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("rebuild", help="make every inbox anew from the owners' logs; nothing is sent")
    mail = verbs.add_parser("mails", help=f"list the {_MANY} newest mails, without their words")
    what = mail.add_mutually_exclusive_group()
    what.add_argument("--show", type=UUID, metavar="ID", help="show what a mail says; its link opens an account")
    what.add_argument("--resend", type=UUID, metavar="ID", help="send one again that failed or may not have arrived")
    inbound = verbs.add_parser("inbound", help=f"list the {_MANY} answers that came in last, without their words")
    inbound.add_argument("id", type=UUID, nargs="?", metavar="ID", help="show one as it came")
    return parser


async def rebuild(database: Database, nats_url: str, say: Say, ca: str = "") -> int:
    """Make every inbox anew, asking as this service's own NATS user; the service may run meanwhile."""
    bus = Bus("", "notifications", database, Metrics("notifications"))
    listen(bus)
    nats = await connect(nats_url, "notifications", closing=lambda: True, ca=ca)
    try:
        async with aclosing(rebuilding.rebuild(database, partial(ask, nats), bus.retell)) as made:
            async for workspace_id, items in made:
                say(f"{workspace_id}: {items} items")
    except Refusal as refused:
        say(f"not rebuilt: {refused}")
        return 1
    finally:
        await nats.close()
    return 0


async def came_in(database: Database, say: Say) -> int:
    """List answers by mail: id, state, when it came, size, its workspace, and why it is not delivered."""
    for mail in await inbound.newest(database, _MANY):
        about = f"came={mail.received_at:%Y-%m-%dT%H:%M:%SZ} bytes={mail.size} workspace={mail.workspace_id or '-'}"
        say(f"{mail.id} {mail.state} attempts={mail.attempts} {about} reason={mail.reason or '-'}")
    return 0


async def as_it_came(database: Database, mail_id: UUID, say: Say) -> int:
    """Show one answer by mail as it came, as long as it is kept; nothing in it moves a terminal."""
    found = await inbound.find(database, mail_id)
    if found is None:
        say("there is no such mail")
        return 1
    mail, raw = found
    said = raw.decode(errors="replace")
    shown = "".join(each if each.isprintable() or each == "\n" else "" for each in said)
    say(f"{mail.state} {mail.reason or ''}\nFrom <{mail.sender}>\n\n{shown}")
    return 0


async def newest(database: Database, say: Say) -> int:
    """List mails: id, state, attempts, when it was made, when its link expires, and why it is not sent."""
    for mail in await mails.newest(database, _MANY):
        times = f"made={mail.made_at:%Y-%m-%dT%H:%M:%SZ} expires={mail.expires_at:%Y-%m-%dT%H:%M:%SZ}"
        say(f"{mail.id} {mail.kind} {mail.state} attempts={mail.attempts} {times} reason={mail.reason or '-'}")
    return 0


async def show(database: Database, mail_id: UUID, say: Say) -> int:
    """Show one mail whole, as long as it may be needed."""
    mail = await mails.find(database, mail_id)
    if mail is None or mail.letter is None or mail.to is None:
        say("there is no such mail" if mail is None else f"it is {mail.state}, and its words are forgotten")
        return 1
    say(f"To: {mail.to.name} <{mail.to.email}>\nSubject: {mail.letter.subject}\n\n{mail.letter.text}")
    return 0


async def resend(database: Database, mail_id: UUID, say: Say) -> int:
    """Let one be sent again."""
    if await mails.resend(database, mail_id):
        say("it is sent again")
        return 0
    say("there is nothing to send again: no such mail, its link has expired, or it is sent or still to be sent")
    return 1
