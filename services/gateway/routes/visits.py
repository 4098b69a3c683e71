"""What is known of a request's maker and outcome once it is answered: for its log line."""

from litestar.types import Scope

_VISIT = "counterfoil.visit"


class Visit:
    """What a request's log line says of who made it and why it was refused."""

    __slots__ = ("code", "headers", "user_id", "workspace_id")

    def __init__(self) -> None:
        """Know nobody yet."""
        self.user_id: str | None = None
        self.workspace_id: str | None = None
        self.code: str | None = None
        self.headers: dict[str, str] = {}
        """What is said beside whichever answer comes of it, a refusal too."""


def enter(scope: Scope) -> Visit:
    """Begin a visit."""
    visit = Visit()
    scope[_VISIT] = visit  # type: ignore[literal-required]
    return visit


def visit_of(scope: Scope) -> Visit:
    """Return the visit that this request is."""
    visit: Visit = scope[_VISIT]  # type: ignore[literal-required]
    return visit
