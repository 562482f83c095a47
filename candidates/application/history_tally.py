"""Counts what became of the rows of an import, so that every row is in one of the numbers."""

from collections import Counter
from collections.abc import Iterable

from candidates.application.history_import import Outcome, Taken

_ALWAYS = (
    Outcome.ADDED,
    Outcome.STANDBY,
    Outcome.INVITED,
    Outcome.REJECTED,
    Outcome.REFUSED,
    Outcome.IGNORED,
)
_EVENTS = {
    Outcome.ADDED,
    Outcome.STANDBY,
    Outcome.INVITED,
    Outcome.REJECTED,
    Outcome.RESCORED,
    Outcome.NOTED,
}
_NAMED = 20
"""How many unreadable rows are named; the report has them all."""


class Tally:
    def __init__(self) -> None:
        self.rows = 0
        self.outcomes: Counter[Outcome] = Counter()
        self._unreadable = 0
        self._named: list[str] = []

    def count(self, taken: Iterable[Taken]) -> None:
        """Count one row by its outcomes, of which it has one for each of its commands, else one."""
        self.rows += 1
        for one in taken:
            self.outcomes[one.outcome] += 1
            if one.unreadable:
                self._unreadable += 1
                if len(self._named) < _NAMED:
                    self._named.append(
                        f"line {one.line} (row {self.rows}): {one.detail or one.code}"
                    )

    def summary(self) -> list[str]:
        """Lines for people and scripts. The numbers of the last one are together all outcomes."""
        events = sum(self.outcomes[outcome] for outcome in _EVENTS)
        first = f"{_counted(self.rows, 'row')}, {_counted(events, 'event')} stored"
        if self.outcomes.total() != self.rows:
            asked = self.outcomes.total()
            first = f"{_counted(asked, 'outcome')} of {first}"
        if known := self.outcomes[Outcome.KNOWN]:
            first += f"; {known} decided by an earlier run"
        if changed := self.outcomes[Outcome.CHANGED]:
            first += f"; {changed} changed since an earlier run, and not carried out"
        shown = [*_ALWAYS, *(o for o in Outcome if o not in _ALWAYS and self.outcomes[o])]
        return [first, ", ".join(f"{outcome} {self.outcomes[outcome]}" for outcome in shown)]

    def unreadable(self) -> list[str]:
        """A line for each row that could not be read; of many, for the first ones."""
        others = self._unreadable - len(self._named)
        return [*self._named, f"and {others} more"] if others else list(self._named)

    def problem(self) -> str | None:
        """Returns why the run did not succeed and somebody has to look at it; otherwise None."""
        refused = self.outcomes[Outcome.REFUSED]
        ignored = self.outcomes[Outcome.IGNORED]
        nothing_asked = (
            "Nothing was done: no row has an activity or a date that the map names."
            if ignored and ignored + self._unreadable == self.outcomes.total()
            else ""
        )
        if self._unreadable:
            return (
                f"{_counted(self._unreadable, 'row')} could not be read. Mend the file and run "
                f"again: what is done is not done twice. {nothing_asked}"
            ).strip()
        if nothing_asked:
            return nothing_asked
        if refused and refused == self.outcomes.total() - ignored:
            return f"Nothing was done: {_counted(refused, 'row')} refused."
        return None


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
