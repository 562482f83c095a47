"""Ours and the limit in turn, so that a machine that slows down slows down both."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median

ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    name: str
    ours: float
    limit: float | None
    ratio: float | None
    unit: str
    target: str
    met: bool

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        compared = f"{self.ratio:.2f} of {self.limit:,.4g}" if self.limit and self.ratio else ""
        reached = f"{self.ours:>10,.4g} {self.unit:9}{compared:18}"
        return f"{self.name:36}{reached}{self.target:12}{'met' if self.met else 'missed'}"


def seconds(act: Callable[[], object], *, times: int = 1) -> float:
    """What so many calls take."""
    started = time.perf_counter()
    for _ in range(times):
        act()
    return time.perf_counter() - started


def in_turn(ours: Callable[[], float], limit: Callable[[], float]) -> tuple[float, float, float]:
    """Medians of `ROUNDS` readings of each, and of the ratios of neighbours; one round warms up."""
    ours(), limit()
    pairs = [(ours(), limit()) for _ in range(ROUNDS)]
    return (
        median(one for one, _ in pairs),
        median(other for _, other in pairs),
        median(one / other for one, other in pairs),
    )


def at_least(
    name: str, ours: Callable[[], float], limit: Callable[[], float], *, ratio: float, unit: str
) -> Figure:
    """Of a rate, which is better when it is high."""
    own, other, reached = in_turn(ours, limit)
    return Figure(
        name=name,
        ours=round(own, 1),
        limit=round(other, 1),
        ratio=round(reached, 3),
        unit=unit,
        target=f">= {ratio:.2f}",
        met=reached >= ratio,
    )


def at_most(
    name: str, ours: Callable[[], float], limit: Callable[[], float], *, ratio: float, unit: str
) -> Figure:
    """Of a duration, which is better when it is low."""
    own, other, reached = in_turn(ours, limit)
    return Figure(
        name=name,
        ours=round(own, 4),
        limit=round(other, 4),
        ratio=round(reached, 3),
        unit=unit,
        target=f"<= {ratio:.2f}",
        met=reached <= ratio,
    )
