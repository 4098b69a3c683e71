"""`python -m tests.access docs` writes docs/access.md; `… draft` prints what a desk does today, for a reader."""

import asyncio
import sys

from tests.access.callers import As, premises
from tests.access.operations import Outcome, operations, rows, write
from tests.access.page import PAGE, page
from tests.access.recipes import RECIPES
from tests.access.requests import outcomes
from tests.support.stack import fresh_stack


async def draft() -> str:
    """Try everything on a desk of its own."""
    known, found = operations(), dict[str, dict[As, Outcome]]()
    async with fresh_stack() as stack, premises(stack) as entered:
        scene = await entered.scene()
        for row in rows(RECIPES):
            found[row] = await outcomes(scene, known[row.partition("/")[0]], RECIPES[row])
    return write(found)


match sys.argv[1:]:
    case ["docs"]:
        PAGE.write_text(page(), encoding="utf-8")
    case ["draft"]:
        print(asyncio.run(draft()), end="")  # noqa: T201 - it is what was asked for
    case _:
        sys.exit(__doc__)
