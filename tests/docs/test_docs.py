"""The documentation says what is there: every name in it is looked up in the code."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from chassis.callout import Callout, draw_issuer
from chassis.settings import PREFIX
from chassis.telemetry import Metrics
from services.notifications.usecases.counting import Counts
from tests.support.configuration import page, settings
from tests.support.each import for_each
from tests.support.pages import DOCS, README, ROOT, Block, blocks, prose

ADRS = DOCS / "adr"
OPERATIONS = DOCS / "operations.md"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
RECORDS = sorted(ADRS.glob("[0-9]*.md"))
DEPLOYED = [ROOT / "docker-compose.yml", *sorted((ROOT / "deploy").glob("*.py"))]
OURS = [path for top in ("contracts", "chassis", "services") for path in sorted((ROOT / top).rglob("*.py"))]

_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}

every_page = for_each("page", PAGES)
every_record = for_each("record", RECORDS)


def code(page: Path) -> Iterator[str]:
    """Yield each piece of code: the spans of the prose, and every block but the diagrams."""
    yield from _SPAN.findall(prose(page))
    yield from (block.text for block in blocks(page) if block.language != "mermaid")


def anchors(page: Path) -> set[str]:
    """Return what links can jump to: the headings as GitHub names them."""
    return {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in _HEADING.findall(prose(page))}


def paths_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w./<>-])(?:chassis|contracts|docs|services|tests)/[\w./-]*[\w/]", text))


def services(room: str) -> list[Path]:
    return sorted((ROOT / "services").glob(f"*/{room}"))


def events() -> set[str]:
    """Return the names of all log lines."""
    return {
        str(call.args[0].value)
        for path in OURS
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in _LEVELS
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "log"
        and isinstance(call.args[0], ast.Constant)
    }


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(prose(page)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@every_page
def test_what_its_commands_write_beside_the_code_is_never_committed(page: Path) -> None:
    """Such files hold a password, or what customers wrote."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    for block in blocks(page):
        for name in re.findall(r"(?:> ?|-o )([\w-]+\.(?:csv|env|jsonl?))\b", block.text):
            assert any(fnmatch(f"/{name}", pattern) for pattern in ignored), name


@every_page
def test_every_path_that_is_named_exists(page: Path) -> None:
    named = {path for text in code(page) for path in paths_in(text)}

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@every_page
def test_every_file_of_a_running_desk_is_written_by_the_code(page: Path) -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (*OURS, *DEPLOYED))
    named = {name for text in code(page) for name in re.findall(r"\bvar/(?:[\w-]+/)*([\w.-]*\w)", text)}

    def written(name: str) -> bool:
        """Look for the whole name, or for one of its halves beside a placeholder."""
        first, _, last = name.partition(".")
        return name in source or (last != "" and (f"}}.{last}" in source or f'"{first}.{{' in source))

    assert [name for name in sorted(named) if not written(name)] == []


@every_page
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for text in code(page) for name in re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)}

    assert named <= targets


@every_page
def test_every_variable_that_is_named_is_read(page: Path) -> None:
    sources = [
        *OURS,
        *DEPLOYED,
        *sorted((ROOT / "client").glob("*.py")),
        *sorted((ROOT / "tests" / "support").glob("*.py")),
    ]
    read = {name for path in sources for name in re.findall(rf"{PREFIX}[A-Z_]+", path.read_text(encoding="utf-8"))}
    read |= {f"{PREFIX}{field.upper()}" for kind in settings() for field in kind.model_fields}

    named = set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", page.read_text(encoding="utf-8")))
    assert {name.removesuffix("_FILE") for name in named} <= read


def test_every_setting_is_explained_and_the_page_of_them_is_current() -> None:
    unexplained = [
        (kind.__module__, name)
        for kind in settings()
        for name, field in kind.model_fields.items()
        if not field.description
    ]
    assert unexplained == []
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == page(), "make docs writes it anew"


async def _nobody(user: str, password: str) -> None:
    """Know nobody."""


def test_the_metrics_are_those_that_are_counted() -> None:
    metrics = Metrics("x")
    counted = set()
    callout = Callout(draw_issuer(), _nobody, metrics)
    for metric in (*vars(metrics).values(), *vars(Counts(metrics)).values(), *vars(callout).values()):
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            suffix = "_total" if family.type == "counter" else ""
            counted.add((family.name + suffix, metric._labelnames))

    rows = re.findall(r"^\| `(counterfoil_\w+)` \|([^|]*)\|", prose(OPERATIONS), re.MULTILINE)
    assert {(name, tuple(_SPAN.findall(labels))) for name, labels in rows} == counted


def test_every_log_line_is_explained() -> None:
    assert events() - set(_SPAN.findall(prose(OPERATIONS))) == set()


def test_no_log_line_is_explained_that_is_never_written() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in OURS)
    rows = re.findall(r"^\| ((?:`\w+\.\w+`(?:, )?)+) \|", prose(OPERATIONS), re.MULTILINE)
    explained = {event for row in rows for event in _SPAN.findall(row)}

    assert explained
    assert [event for event in sorted(explained) if f'"{event}"' not in source] == []


@for_each("block", [block for page in PAGES for block in blocks(page, "python")])
def test_every_example_in_python_compiles(block: Block) -> None:
    compile(block.text, "an example", "exec")


@every_record
def test_a_decision_is_in_the_index_and_has_its_parts(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    parts = [heading for heading in _HEADING.findall(text) if not heading[0].isdigit()]

    assert f"]({record.name})" in (ADRS / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {int(record.stem[:4])}. ")
    assert parts == ["Context", "Decision", "Rejected", "Revisit when"]
    assert len(text.splitlines()) <= 60


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(record.stem[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_the_glossary_says_which_word_to_avoid() -> None:
    entries = re.findall(r"^\*\*.+?\*\*: .+?(?=\n\n|\Z)", prose(DOCS / "glossary.md"), re.MULTILINE | re.DOTALL)

    assert entries
    assert [entry.splitlines()[0] for entry in entries if "\n*Avoid:* " not in entry] == []
