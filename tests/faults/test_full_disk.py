"""A disk without room: nothing that was acknowledged is lost, and work goes on once there is some."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.infra import temporary_directory
from tests.support.stack import Desk, Stack, running_stack

pytestmark = pytest.mark.rehearsal


@contextmanager
def a_disk(place: Path, mebibytes: int) -> Iterator[None]:
    """Have this directory on a small disk of its own."""
    place.mkdir(mode=0o755)
    size = f"size={mebibytes}m,mode=755"
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], capture_output=True, check=False
    ).returncode:
        pytest.skip("nobody but root may give a directory a disk of its own, and not in every container")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def filled(place: Path) -> Iterator[None]:
    """Leave no room on the disk of this directory."""
    filler = place / "filler"
    try:
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], capture_output=True, check=False)
        assert os.statvfs(place).f_bavail == 0
        yield
    finally:
        filler.unlink()


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    with (
        temporary_directory() as place,
        a_disk(place / "var", 600),
        a_disk(place / "var" / "nats", 48),
    ):
        async with running_stack(place / "var") as stack:
            yield stack


async def opened(desk: Desk, many: int, *, size: int = 3000) -> list[str]:
    """Open tickets until one is refused; those that were acknowledged."""
    found: list[str] = []
    for number in range(many):
        answer = await desk.send("POST", "tickets", {"subject": f"Ticket {number}", "description": "x" * size})
        if not answer.is_success:
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["retry-after"]
            break
        found.append(answer.json()["id"])
    return found


async def entries(desk: Desk) -> int:
    proof = await desk.get("audit/verify")
    assert proof["ok"], proof
    return int(proof["tickets"]["entries"])


@pytest.mark.timeout(300)
async def test_nothing_is_lost_where_a_disk_is_full_and_work_goes_on_when_it_is_not(stack: Stack) -> None:
    desk = await stack.sign_in()
    acknowledged = await opened(desk, 5)

    # NATS alone has no room: people go on working, and what they do waits to be told.
    with filled(stack.data / "nats"):
        acknowledged += (waiting := await opened(desk, 60, size=10_000))
        assert len(waiting) == 60
        assert await entries(desk) < len(acknowledged)

    async def all_told() -> bool:
        return await entries(desk) == len(acknowledged)

    await eventually(all_told, within=60)

    # Nobody has room.
    with filled(stack.data):

        async def refused() -> bool:
            tried = await opened(desk, 50)
            acknowledged.extend(tried)
            return len(tried) < 50

        await eventually(refused, within=60)
    acknowledged.append((await desk.insist("POST", "tickets", {"subject": "Room", "description": ""}))["id"])
    await eventually(all_told, within=60)
    for id in acknowledged:
        assert (await desk.send("GET", f"tickets/{id}")).status_code == httpx.codes.OK
