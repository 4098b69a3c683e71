"""Finds tickets by parts of words: however many there are, and however often a word is said.

How often is not known beforehand, and a wrong guess costs seconds: along the order one soon meets what many have, and
reads everything for what few have; the trigram index finds what few have at once, and all that many have before the
first. So each is tried up to a limit.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import text

from chassis.database import Transaction
from services.tickets.store.pages import WILDCARDS
from services.tickets.store.tickets import LARGEST_NUMBER, folded

GLANCE = 100
"""Tickets that are looked at along the order before the index is asked."""
OFTEN = 10
"""If so many of those have the words, the index isn't asked: the next along the order will do."""
FEW = 4_000
"""Tickets that are found by the index and sorted."""
SURE = 4
"""Times as many as are wanted are looked for in the next weeks, so that it is seldom too few."""
NEXT = 120_000
"""Tickets whose weeks are asked for apart from all beyond, at most."""
LOOK = 30_000
"""Tickets that are looked at along the order where the index is no help, before all are."""

WORDS = "coalesce((select s.words from ticket_search s where s.workspace_id = :ws and s.ticket_id = t.id), '')"
"""The words of a ticket `t`, folded."""
LAST = "(select l.last from ticket_numbers l where l.workspace_id = :ws)"
"""The number of the latest ticket, which tells how many there may be."""

_UNSAID = 0.002
"""How likely a word is in a ticket where it is in none of some."""

_NUMBERED = "from tickets n where n.workspace_id = :ws and n.number = :number"
_A_NUMBER = re.compile(r"#?([1-9][0-9]{0,9})")
_TRIGRAM = re.compile(r"[^\W_]{3}")
_TRIGRAMS = re.compile(r"(?=([^\W_]{3}))")

# There is one way to do it, and to look for it anew with each word takes longer than to go it.
_BY_INDEX = text("""
    select set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)
""")
_BY_ORDER = text("select set_config('plan_cache_mode', 'auto', true)")


@dataclass(frozen=True, slots=True)
class Weeks:
    """The weeks that an order goes through: all is in one where it isn't that of a time."""

    of: str
    """A column of tickets."""
    known: str
    """The column where the trigram index knows its week, if there is any."""
    down: bool

    @property
    def way(self) -> str:
        """Which way it goes."""
        return "desc" if self.down else "asc"

    @property
    def not_past(self) -> str:
        """Whether a week isn't before that in which the page begins."""
        on = "<=" if self.down else ">="
        return f"week {on} (select week_of(cast(:after as timestamptz)))" if self.known else "true"

    def near(self, *, placed: bool) -> str:
        """Return what is said of a week in which one of the next tickets was opened: the next so many from the page on.

        If there are no more than those, no week is near.
        """
        past, by, on = ("<", "-", ">=") if self.down else (">", "+", "<=")
        start = LAST if self.down else "0"
        if placed:
            start = f"""(
                select p.number from tickets p
                where p.workspace_id = :ws and p.created_at {past}= cast(:after as timestamptz)
                order by p.created_at {self.way} limit 1
            )"""  # noqa: S608 - constants
        return f"""{on} (
            select week_of(o.created_at) from tickets o
            where o.workspace_id = :ws and o.number {past} {start} {by} :next
            order by o.number {self.way} limit 1
        )"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, as SQL about a ticket `t`, and its values but for `ws`."""

    words: Sequence[str]
    likes: str
    values: dict[str, Any]
    indexed: int
    """Of how many of the words the trigram index knows."""

    @property
    def found(self) -> str:
        """The ids of the tickets that have it."""
        numbered = f" union all select n.id {_NUMBERED}" if "number" in self.values else ""
        return f"select s.ticket_id as id from ticket_search s where s.workspace_id = :ws {self.likes}{numbered}"  # noqa: S608 - constants

    def found_by_index(self, weeks: Weeks, *, shown: bool, near: str = "") -> str:
        """Return the same with their weeks: only what is shown by default, or only what is in near weeks.

        In a way to which the index on who they are is no help, much as the planner may hope so.
        """
        of_words, of_number = (f"s.{weeks.known}", f"week_of(n.{weeks.of})") if weeks.known else ("0", "0")
        worded = f"select s.ticket_id as id, {of_words} as week from ticket_search s"  # noqa: S608 - constants
        worded += f" where s.workspace_id || '' = :ws {self.likes}"
        numbered = f"select n.id, {of_number} {_NUMBERED}"
        if shown:  # Two words are together in few tickets, sooner read than met with all that is shown.
            worded += " and s.shown" if self.indexed == 1 else " and coalesce(s.shown, true)"
        if near:  # Whose number it is may come too: past those it can only be what tells that there are more.
            worded += f" and {of_words} {near}"
        return f"{worded} union all {numbered}" if "number" in self.values else worded

    @property
    def check(self) -> str:
        """Whether a ticket has it."""
        numbered = " or t.number = :number" if "number" in self.values else ""
        # No join, which would be made for all tickets at once: this is asked of one after the other.
        likes = self.likes.removeprefix("and ")
        return f"((select {likes} from ticket_search s where s.workspace_id = :ws and s.ticket_id = t.id){numbered})"  # noqa: S608 - constants

    def are_in(self, words: str, number: int) -> bool:
        """Whether a ticket with these words and this number has it."""
        return number == self.values.get("number") or all(word in words for word in self.words)

    def likelihood(self, glance: Sequence[str]) -> float:
        """Return how many of all tickets may have it, as a part of 1, as far as some tickets' words tell."""
        together = sum(all(word in words for word in self.words) for words in glance)
        each = (sum(word in words for words in glance) / len(glance) or _UNSAID for word in self.words)
        return together / len(glance) or math.prod(each)

    def rarest_first(self, glance: Sequence[str]) -> "Search":
        """Return the same as the index has it soonest, as far as some tickets' words tell.

        It goes through all that have the first word; and to meet what many have costs more than to read what few have.
        """
        said = {word: sum(word in words for words in glance) for word in self.words}
        order = sorted(self.words, key=lambda word: (not _TRIGRAM.search(word), said[word]))
        rare = [word for word in order if said[word] < OFTEN and _TRIGRAM.search(word)]
        enough = rare and not any(all(word in words for word in rare) for words in glance)
        likes, values = list[str](), dict(self.values)
        for word in order:
            nth, read = self.words.index(word), bool(enough) and word not in rare
            if part := "" if read else _part(word, said[word], glance):
                likes.append(f"and s.words like :part{nth}")
                values[f"part{nth}"] = f"%{part}%"
            likes.append(_like(nth, read=read or part != ""))
        return replace(self, likes=" ".join(likes), values=values)

    async def by_index(self, tx: Transaction) -> None:
        """Have the next statements find them by the trigram index, whatever the planner may hope for."""
        if self.indexed:
            await tx.execute(_BY_INDEX)

    async def by_order(self, tx: Transaction) -> None:
        """Have the next statements planned for the words that are looked for."""
        if self.indexed:
            await tx.execute(_BY_ORDER)


def _like(nth: int, *, read: bool = False) -> str:
    """Return the condition for a word: for the index, or to be read in what that finds."""
    return f"and s.words{" || ''" if read else ''} like :word{nth}"


def _part(word: str, said: int, glance: Sequence[str]) -> str:
    """Return the three letters that are as rare as a word of which they are a part, if the glance tells of any.

    One list to go through in place of one for each three letters of the word.
    """
    parts = (part for part in _TRIGRAMS.findall(word) if part != word)
    return next((part for part in parts if 0 < sum(part in words for words in glance) == said), "")


def search(q: str) -> Search | None:
    """Return what these words look for, if there are any."""
    words = list(dict.fromkeys(folded(q).split()))
    if not words:
        return None
    values: dict[str, Any] = {f"word{nth}": f"%{word.translate(WILDCARDS)}%" for nth, word in enumerate(words)}
    likes = " ".join(_like(nth) for nth in range(len(words)))
    number = _A_NUMBER.fullmatch(q.strip())
    if number and int(number[1]) <= LARGEST_NUMBER:
        values["number"] = int(number[1])
    return Search(words, likes, values, indexed=sum(_TRIGRAM.search(word) is not None for word in words))
