"""Whoever runs the desk finds every service by the standard words of NATS, as the `micro` commands of its CLI do."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from contracts.base import SERVICES
from tests.support.infra import PROJECT
from tests.support.stack import Stack

NAME = {"type": "string", "pattern": "^[a-zA-Z0-9_-]+$"}
WORDS = {"type": "string", "minLength": 1}
METADATA = {"type": ["object", "null"], "additionalProperties": {"type": "string"}}
COUNT = {"type": "integer", "minimum": 0}
ANYBODY = {
    "name": NAME,
    "id": WORDS,
    "version": {"type": "string", "pattern": r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$"},
    "metadata": METADATA,
}
ENDPOINT = {"name": NAME, "subject": WORDS, "queue_group": WORDS}
COUNTS = dict.fromkeys(("num_requests", "num_errors", "processing_time", "average_processing_time"), COUNT)


def whole(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [*properties], "properties": properties, "additionalProperties": False}


MICRO = {
    "PING": {},
    "INFO": {
        "description": {"type": "string"},
        "endpoints": {"type": "array", "minItems": 1, "items": whole(ENDPOINT | {"metadata": METADATA})},
    },
    "STATS": {
        "started": {"type": "string", "format": "date-time"},
        "endpoints": {
            "type": "array",
            "minItems": 1,
            "items": whole(ENDPOINT | COUNTS | {"last_error": {"type": "string"}}),
        },
    },
}
"""What ADR-32 of NATS asks of the three answers, as its JSON schemas (io.nats.micro.v1) have it."""


@pytest.mark.parametrize("verb", MICRO)
async def test_an_operator_discovers_every_service_as_the_standard_has_it(stack: Stack, verb: str) -> None:
    type = {"const": f"io.nats.micro.v1.{verb.lower()}_response"}
    check = Draft202012Validator(whole({"type": type} | ANYBODY | MICRO[verb]), format_checker=FormatChecker())
    async with stack.nats("operator") as operator:
        inbox = operator.new_inbox()
        said = await operator.subscribe(inbox)
        await operator.publish(f"$SRV.{verb}", b"", reply=inbox)
        answers = [json.loads((await said.next_msg(timeout=10)).data) for _ in SERVICES]
        assert {answer["name"] for answer in answers} == {*SERVICES}
        for answer in answers:
            check.validate(answer)
            one = await operator.request(f"$SRV.{verb}.{answer['name']}.{answer['id']}", b"", timeout=10)
            assert json.loads(one.data)["id"] == answer["id"]
            names = [endpoint["name"] for endpoint in answer.get("endpoints", ())]
            assert len(names) == len({*names})


async def test_a_doctor_finds_nothing_wrong_with_a_desk_that_is_well(stack: Stack) -> None:
    async def examine(name: str) -> tuple[int | None, str]:
        kept = stack.data / "secrets"
        told = {
            "COUNTERFOIL_NATS_URL_FILE": str(kept / f"{name}.nats-url"),
            "COUNTERFOIL_DATABASE_URL_FILE": str(kept / f"{name}.database-url"),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"services.{name}", "doctor"),
            cwd=PROJECT,
            env={key: value for key, value in os.environ.items() if not key.startswith("COUNTERFOIL_")} | told,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    answers = dict(zip(SERVICES, await asyncio.gather(*map(examine, SERVICES)), strict=True))
    assert {name: status for name, (status, _) in answers.items()} == dict.fromkeys(SERVICES, 0), answers
    for _, said in answers.values():
        assert {line.split()[1].rstrip(":") for line in said.splitlines()} >= {"database", "schema", "nats", "rights"}
