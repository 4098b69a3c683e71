"""Who may do what: every operation by every caller, against a running desk and one table."""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.access.callers import As, Premises, Scene, premises
from tests.access.foreign import at, named, naming, places, with_id
from tests.access.operations import Operation, document, operations, rows, table
from tests.access.page import PAGE, page
from tests.access.recipes import RECIPES, Call
from tests.access.requests import outcomes, sent
from tests.support.eventually import eventually
from tests.support.stack import Stack

OPERATIONS = operations()


@pytest.fixture(scope="module")
async def house(stack: Stack) -> AsyncIterator[Premises]:
    async with premises(stack) as entered:
        yield entered


@pytest.fixture(scope="module")
async def scene(house: Premises) -> Scene:
    return await house.scene()


def test_every_operation_has_a_recipe_and_every_recipe_an_operation() -> None:
    assert {row.partition("/")[0] for row in RECIPES} == OPERATIONS.keys()
    assert OPERATIONS.keys() <= RECIPES.keys()


def test_every_recipe_has_a_row_and_every_row_a_recipe() -> None:
    assert list(table()) == rows(RECIPES)


@pytest.mark.parametrize("row", rows(RECIPES))
async def test_each_caller_gets_what_the_table_says(scene: Scene, row: str) -> None:
    found = await outcomes(scene, OPERATIONS[row.partition("/")[0]], RECIPES[row])
    assert {caller: str(each) for caller, each in found.items()} == {
        caller: str(each) for caller, each in table()[row].items()
    }


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


# What another workspace has


@pytest.fixture(scope="module")
async def elsewhere(house: Premises) -> Scene:
    return await house.scene()


def said(answer: httpx.Response, asked: str) -> Any:
    """Return the body, but for what names the request, and the record that was asked for."""
    apart = {"trace_id"} if answer.is_error else {"id"}  # of what was made
    if not answer.headers["content-type"].endswith("json"):
        return {"": answer.text}
    body = json.loads(answer.text.replace(asked, "asked"))
    return {name: value for name, value in body.items() if name not in apart}


async def nothing_goes_on(premises: Premises) -> bool:
    """Tell whether every bulk change has come to its end."""
    async with premises.tickets.every_workspace("test") as tx:
        return not await tx.scalar(text("select count(*) from bulks where finished_at is null"))


async def written(*scenes: Scene) -> list[int]:
    """Count the facts in these workspaces."""
    wanted = {"ids": [scene.workspace.id for scene in scenes]}
    facts = text("select count(*) from event_log where workspace_id = any(:ids)")
    found = []
    for database in (scenes[0].premises.house.database, scenes[0].premises.tickets):
        async with database.every_workspace("test") as tx:
            found.append(int(await tx.scalar(facts, wanted)))
    return found


@pytest.mark.parametrize("id", OPERATIONS)
async def test_a_record_of_another_workspace_is_one_that_is_not_there(scene: Scene, elsewhere: Scene, id: str) -> None:
    """Of every field and parameter by which an operation may name a record."""
    fields = set[str]()
    for row, recipe in RECIPES.items():
        if row.partition("/")[0] == id:
            ours, theirs = await recipe.make(scene), await recipe.make(elsewhere)
            fields |= {*named(ours)}
            await is_as_one_that_is_not_there(scene, elsewhere, OPERATIONS[id], ours, theirs)
    assert naming(document(), OPERATIONS[id].described) <= fields


async def is_as_one_that_is_not_there(
    scene: Scene, elsewhere: Scene, operation: Operation, ours: Call, theirs: Call
) -> None:
    """Name each record of the other workspace in our call, and hear what is heard of none."""
    assert places(ours) == places(theirs)
    token = ours.visitor or await scene.token(As.OWNER)
    await eventually(lambda: nothing_goes_on(scene.premises), within=20)
    before = await written(scene, elsewhere)
    for place in places(ours):
        if place == ("path", "assistant") and operation.path.startswith("/widget/"):
            continue  # it is public: every page that has the widget tells it
        of_theirs, of_none = at(theirs, place), str(uuid.uuid4())
        foreign = await sent(scene, operation, with_id(ours, place, of_theirs), token)
        missing = await sent(scene, operation, with_id(ours, place, of_none), token)
        assert foreign.status_code == missing.status_code, (place, foreign.text, missing.text)
        assert said(foreign, of_theirs) == said(missing, of_none), place
        if place[0] == "query" or place[:2] == ("body", "filter"):
            assert foreign.is_success  # nothing is found
        elif foreign.is_success:
            assert [each["code"] for each in foreign.json()["refused"]] == ["not_found"]  # each is told of by itself
        else:
            assert foreign.status_code in (404, 422), (place, foreign.text)
    assert await written(scene, elsewhere) == before
