# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When backups run: five fields of cron, checked once, and written out for cron, Kubernetes and systemd.

Only what all three mean alike is accepted. Standard library only; imports nothing of the engine but errors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from .errors import BadInput

# Smallest and largest value of each field.
_FIELDS = {"minute": (0, 59), "hour": (0, 23), "day of the month": (1, 31), "month": (1, 12), "day of the week": (0, 7)}
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PART = re.compile(r"(?:\*|(?P<first>[0-9]{1,2})(?:-(?P<last>[0-9]{1,2}))?)(?:/(?P<step>[1-9][0-9]?))?")
_SUNDAY = 7  # and 0
_FIRST_DAY = date(2024, 1, 1)
_DAYS_OF_PATTERNS = 366 + 3 * 365 + 366


@dataclass(frozen=True)
class Schedule:
    """The values of each field, sorted; None for all."""

    fields: tuple[tuple[int, ...] | None, ...]

    @classmethod
    def parse(cls, text: str, variable: str) -> Schedule:
        """
        :raises BadInput: it is no such schedule, or cron and systemd would read it in different ways.
        """
        words = str(text).lower().split()
        if len(words) != len(_FIELDS):
            raise BadInput(f"{variable} is '{text}'; it must be five fields of cron, such as 0 2 * * *.")
        names = {"month": _MONTHS, "day of the week": _DAYS}
        found = tuple(
            _values(word, *limits, names.get(field, ()), f"{variable} is '{text}': its {field}, {word},")
            for (field, limits), word in zip(_FIELDS.items(), words, strict=True)
        )
        if found[2] is not None and found[4] is not None:
            raise BadInput(
                f"{variable} is '{text}': with a day of the month and a day of the week, cron takes either and systemd "
                f"both. Give one of them, and * for the other."
            )
        return cls(found)

    @property
    def longest_gap(self) -> float:
        """The longest time between two starts that it promises, in seconds."""
        minutes, hours, days, months, weekdays = self.fields
        times = sorted(60 * hour + minute for hour in hours or range(24) for minute in minutes or range(60))
        # Every pattern of days is in four years with a leap day.
        starts = [
            1440 * (day - _FIRST_DAY.toordinal()) + time
            for day in range(_FIRST_DAY.toordinal(), _FIRST_DAY.toordinal() + _DAYS_OF_PATTERNS)
            if _meant(date.fromordinal(day), days, months, weekdays)
            for time in times
        ]
        return 60.0 * max((after - before for before, after in pairwise(starts)), default=1440 * _DAYS_OF_PATTERNS)

    @property
    def cron(self) -> list[str]:
        """The five fields, in numbers alone."""
        return ["*" if field is None else ",".join(map(str, field)) for field in self.fields]

    @property
    def calendar(self) -> str:
        """As C(OnCalendar) of a timer of systemd, in UTC."""
        minute, hour, day, month, _weekday = self.cron
        days = ",".join(_DAYS[number].capitalize() for number in self.fields[4] or ())
        return f"{days} *-{month}-{day} {hour}:{minute}:00 UTC".strip()


def _meant(
    day: date, days: tuple[int, ...] | None, months: tuple[int, ...] | None, weekdays: tuple[int, ...] | None
) -> bool:
    return (
        (days is None or day.day in days)
        and (months is None or day.month in months)
        and (weekdays is None or day.isoweekday() % _SUNDAY in weekdays)
    )


def _values(word: str, least: int, most: int, names: tuple[str, ...], what: str) -> tuple[int, ...] | None:
    """The values that a field means; None where it leaves none out."""
    if word == "*":
        return None
    numbered = re.sub(r"[a-z]+", lambda name: str(names.index(name[0])) if name[0] in names[least:] else name[0], word)
    found: set[int] = set()
    for part in numbered.split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise BadInput(f"{what} is none: numbers, a-b, */n and lists of them are known.")
        first, last = int(match["first"] or least), int(match["last"] or match["first"] or most)
        step = int(match["step"] or 1)
        if match["first"] and match["step"] and not match["last"]:
            raise BadInput(f"{what} has a step without a range: write {match['first']}-{most}/{step}.")
        if not least <= first <= last <= most:
            raise BadInput(f"{what} is not within {least} to {most}.")
        found.update(range(first, last + 1, step))
    if most == _SUNDAY:
        found, most = {number % _SUNDAY for number in found}, most - 1
    return tuple(sorted(found)) if len(found) <= most - least else None
