"""Assembles the gateway: the one place that knows all its parts."""

from chassis.doctor import Finding, Verdict, entrance
from chassis.erasing import OWNERS, Erasing, read_erasure
from chassis.outside import OutsideAccess
from chassis.provision import CALLOUT, KEEPER, KICKER
from chassis.service import Service
from chassis.starting import told
from contracts.erasing import ReadGatewayErasure
from services.gateway.routes import Desk, web
from services.gateway.settings import Settings
from services.gateway.timers import tick
from services.gateway.usecases.accounts import Accounts
from services.gateway.usecases.beginnings import Beginnings, First
from services.gateway.usecases.erasing import Erasures
from services.gateway.usecases.examples import demo_assistant
from services.gateway.usecases.exports import Exports
from services.gateway.usecases.guards import Guard
from services.gateway.usecases.hooks import Hooks
from services.gateway.usecases.imports import Imports
from services.gateway.usecases.integrations import Integrations
from services.gateway.usecases.invitations import Invitations
from services.gateway.usecases.letters import Letters
from services.gateway.usecases.limits import Limiter
from services.gateway.usecases.live import Live
from services.gateway.usecases.passwords import Passwords
from services.gateway.usecases.people import People
from services.gateway.usecases.presence import Presence
from services.gateway.usecases.resets import Resets
from services.gateway.usecases.seals import Seals
from services.gateway.usecases.tokens import Tokens
from services.gateway.usecases.views import Views
from services.gateway.usecases.widget import Widget
from services.gateway.usecases.widget_live import WidgetLive
from services.gateway.usecases.workspaces import Workspaces
from services.gateway.web import pages


def build(settings: Settings) -> Service:
    """Assemble the service; nothing is opened yet."""
    passwords = Passwords()
    shown = demo_assistant(str(settings.workspace_id)) if settings.demo and settings.workspace_id else None
    service = Service(
        "gateway",
        settings,
        web=lambda service: web(desk, service.metrics, pages(shown)),
    )

    def link(where: str, token: str) -> str:
        # Never the Host that a request named: a stranger could have another's link point to their own site.
        base = settings.public_url or f"http://localhost:{service.port}"
        return f"{base}/{where}/{token}"

    limiter = Limiter(service.database)
    guard = Guard(passwords, limiter)
    people = People(service.database)
    resets = Resets(service.database, passwords, limiter, service.bus.ask)
    beginnings = Beginnings(service.database, service.bus, passwords)
    live = Live(service.bus, people)
    presence = Presence(service.bus, live)
    integrations = Integrations(service.database, _outside(settings), service.metrics, settings.nats_address)
    widget = Widget(service.database, service.bus, limiter)
    widget_live = WidgetLive(service.bus, widget)
    erasures = Erasures(service.database, service.bus)
    service.bus.answers(ReadGatewayErasure)(read_erasure)
    Erasing(service, owners=OWNERS, do=erasures.do)
    desk = Desk(
        people=people,
        accounts=Accounts(service.database, passwords, guard),
        resets=resets,
        invitations=Invitations(
            service.database,
            passwords,
            guard,
            send=service.bus.ask,
            public_link=lambda token: link("invitations", token),
        ),
        workspaces=Workspaces(service.database),
        tokens=Tokens(service.database),
        integrations=integrations,
        views=Views(service.database),
        limiter=limiter,
        bus=service.bus,
        public_url=settings.public_url,
        live=live,
        presence=presence,
        seals=Seals(service.bus),
        erasures=erasures,
        letters=Letters(service.bus, service.database),
        hooks=Hooks(service.bus, service.database),
        exports=Exports(service.database, service.bus),
        imports=Imports(service.database, service.bus),
        widget=widget,
        widget_live=widget_live,
        proxies=settings.trusted_proxies,
    )

    tick(
        service,
        (people, resets, limiter, widget),
        resets,
        beginnings,
        lambda token: link("password-resets", token),
        integrations=integrations,
    )

    @service.at_start
    async def watch() -> None:
        service.background(live.watch(), "live")
        service.background(presence.watch(), "presence")
        service.background(widget_live.watch(), "widget")

    service.at_start(integrations.start)
    service.at_stop(live.close)
    service.at_stop(widget_live.close)
    service.at_stop(integrations.close)

    if settings.owner_email is not None and settings.owner_password is not None:
        first = First(
            slug=settings.workspace,
            email=settings.owner_email,
            password=settings.owner_password.get_secret_value(),
            workspace_id=str(settings.workspace_id) if settings.workspace_id else None,
            examples=settings.demo,
        )

        @service.at_start
        async def begin() -> None:
            await beginnings.first_workspace(first)
            if settings.integration and first.workspace_id:
                await integrations.know_fixed(first.workspace_id, settings.integration)

    return service


def _outside(settings: Settings) -> OutsideAccess | None:
    if not settings.callout_nats_url:
        return None
    return OutsideAccess(
        callout_url=settings.callout_nats_url,
        keeper_url=settings.keeper_nats_url,
        kicker_url=settings.kicker_nats_url,
        issuer_seed=settings.nats_issuer.get_secret_value(),
        ca=settings.nats_ca,
    )


async def look_at_the_entrance(settings: Settings) -> list[Finding]:
    """Tell a doctor whether other systems can be let in; nobody is disturbed."""
    access = _outside(settings)
    if access is None:
        return [Finding("callout", Verdict.NOTE, "callout_nats_url is empty: no other system is let in")]
    urls = {CALLOUT: access.callout_url, KEEPER: access.keeper_url, KICKER: access.kicker_url}
    return await entrance(urls, access.issuer_seed, access.ca)


def settings() -> Settings:
    """Read what the environment says, for whoever does not run the service."""
    return Settings()


def main() -> None:
    """Run the gateway until it is told to stop."""
    build(told("gateway", settings)).run()
