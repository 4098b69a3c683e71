"""The page of settings, written from the settings' own classes: `python -m tests.support.configuration`."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from chassis.settings import PREFIX, ServiceSettings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"
_BEGINNING = f"""\
# Configuration

Written from the code by `make docs`. Each setting is an environment variable, or a file that `{PREFIX}…_FILE` names: a
*secret* belongs into a file. What `make run` reads besides is in [operations](operations.md).
"""


def settings() -> list[type[ServiceSettings]]:
    """Return what all services share, and what each has of its own."""
    names = sorted(path.parent.name for path in (ROOT / "services").glob("*/settings.py"))
    return [ServiceSettings, *(importlib.import_module(f"services.{name}.settings").Settings for name in names)]


def page() -> str:
    """Return the page as it should be."""
    return "\n".join([_BEGINNING, *(line for kind in settings() for line in _section(kind))])


def _section(kind: type[ServiceSettings]) -> Iterator[str]:
    shared = ServiceSettings.model_fields.keys() if kind is not ServiceSettings else set[str]()
    own = {name: field for name, field in kind.model_fields.items() if name not in shared}
    if not own:
        return
    service = kind.__module__.split(".")[-2]
    yield f"## {'Of every service' if kind is ServiceSettings else f'Of {service}'}"
    yield ""
    yield "| variable | default | meaning |"
    yield "|---|---|---|"
    for name, field in own.items():
        words = " ".join((field.description or "").split()).replace("|", "\\|")
        secret = " *secret*" if _is_secret(field) else ""
        yield f"| `{PREFIX}{name.upper()}`{secret} | {_default(field)} | {words} |"
    yield ""


def _is_secret(field: FieldInfo) -> bool:
    return field.repr is False or field.annotation in (SecretStr, SecretStr | None)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default is None or default in ("", ()):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
