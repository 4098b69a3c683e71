"""Makes of uv's list what an image holds: `uv export --format cyclonedx1.5 … | python sbom.py IMAGE`.

uv lists what is locked for every platform; an image holds what its own asks for, on a Python and a Debian. What that
Debian holds is not listed: whoever has the image asks it, `docker run --rm IMAGE dpkg-query --list`.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from packaging.markers import Marker

DOCKERFILE: Final = Path(__file__).parent.parent / "Dockerfile"


def main(image: str, listed: dict[str, Any], dockerfile: str) -> dict[str, Any]:
    """Return what is in the image of that name."""
    base = re.findall(r"^FROM (python:([\d.]+)\S*)", dockerfile, re.MULTILINE)[-1]
    here = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "python_version": base[1]}
    held = [each for each in listed["components"] if _is_held(each, here | {"python_full_version": f"{base[1]}.0"})]
    refs = {each["bom-ref"] for each in held} | {listed["metadata"]["component"]["bom-ref"]}
    python = {"type": "platform", "bom-ref": "python", "name": "python", "version": base[1]}
    system = {"type": "container", "bom-ref": "base-image", "name": base[0]}
    component = listed["metadata"]["component"] | {"type": "container", "name": f"counterfoil-{image}"}
    return listed | {
        "metadata": listed["metadata"] | {"component": component},
        "components": [*held, python, system],
        "dependencies": [
            each | {"dependsOn": [ref for ref in each.get("dependsOn", ()) if ref in refs]}
            for each in listed["dependencies"]
            if each["ref"] in refs
        ],
    }


def _is_held(component: dict[str, Any], here: dict[str, str]) -> bool:
    markers = [each["value"] for each in component.get("properties", ()) if each["name"] == "uv:package:marker"]
    return all(Marker(marker).evaluate(here) for marker in markers)


if __name__ == "__main__":
    held = main(sys.argv[1], json.load(sys.stdin), DOCKERFILE.read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps(held, indent=1) + "\n")
