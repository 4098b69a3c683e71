"""Looks for known vulnerabilities in what is locked, and never says yes where nobody was asked.

python deploy/audit.py requirements.txt      with pip-audit beside this Python, as `make audit` has it

It ends with 0 where everything was looked up and nothing is known, with 1 where something is, and with 3 where it could
not be looked up, or not all of it. pip-audit itself calls that last one a success.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

CLEAN, FOUND, NOT_RUN = 0, 1, 3
_PATIENCE: Final = 300


def main(requirements: str) -> int:
    """Look, say what came of it, and return how to end."""
    tool = Path(sys.executable).with_name("pip-audit")
    words = ("--requirement", requirements, "--require-hashes", "--disable-pip", "--format", "json")
    try:
        done = subprocess.run(
            [tool, *words, "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        looked: list[dict[str, Any]] = [*json.loads(done.stdout)["dependencies"]]
    except (OSError, subprocess.TimeoutExpired):
        return _say(NOT_RUN, "pip-audit did not end, or is not there.")
    except (ValueError, KeyError, TypeError):
        return _say(NOT_RUN, done.stderr.strip()[-500:])
    return judge(looked)


def judge(looked: list[dict[str, Any]]) -> int:
    """Say what is known of what was looked up."""
    asked = [each for each in looked if "skip_reason" not in each]
    found = [(each["name"], each["version"], known["id"]) for each in asked for known in each["vulns"]]
    for name, version, id in found:
        sys.stdout.write(f"{name} {version}: {id}\n")
    if found:
        return _say(FOUND, f"{len(found)} known vulnerabilities in {len(asked)} packages.")
    if not looked or len(asked) < len(looked):
        return _say(NOT_RUN, f"Of {len(looked)} packages {len(looked) - len(asked)} could not be looked up.")
    return _say(CLEAN, f"Nothing is known of {len(asked)} packages.")


def _say(status: int, words: str) -> int:
    said = {CLEAN: "audit: clean.", FOUND: "audit: FOUND.", NOT_RUN: "audit: NOT RUN."}[status]
    sys.stdout.write(f"{said} {words}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
