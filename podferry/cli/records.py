"""Judges what a client saw of a workload that was moved: each number once, in order, no stranger.

Owns the form of a record and the verdict; reads text, never a cluster. One record a line:
`<seconds> <boot id> <host> <number>` for an answer, `<seconds> ! <words>` for a request that got
none; seconds are of one monotonic clock of the client.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

FAILED = "!"
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Record:
    """One answer, at `seconds` of the client's clock."""

    seconds: float
    boot_id: str
    host: str
    number: int


@dataclass(frozen=True, slots=True)
class Failure:
    """One request without an answer, at `seconds` of the client's clock."""

    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a stream of records says; `ok` only where nothing at all is wrong.

    `longest_gap_seconds` is between two answers that follow each other; `hosts` are the names in
    order of first appearance; `problems` are sentences, empty where `ok`.
    """

    ok: bool
    answers: int
    first: int
    last: int
    duplicates: tuple[int, ...]
    missing: tuple[int, ...]
    out_of_order: int
    boot_ids: tuple[str, ...]
    hosts: tuple[str, ...]
    longest_gap_seconds: float
    gap_began_seconds: float
    unanswered: int
    problems: tuple[str, ...]


def parse(lines: Iterable[str]) -> tuple[list[Record], list[Failure]]:
    """Read records, in the order given; empty lines do not count.

    Raises:
        ValueError: a line is not a record, with its number and text.
    """
    records: list[Record] = []
    failures: list[Failure] = []
    for place, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        try:
            if words[1] == FAILED:
                failures.append(Failure(float(words[0]), " ".join(words[2:])))
                continue
            seconds, boot_id, host, number = words
            records.append(Record(float(seconds), boot_id, host, int(number)))
        except (ValueError, IndexError):
            raise ValueError(
                f"line {place} is not a record: {line.strip()[:80]!r}; "
                "wanted: <seconds> <boot id> <host> <number>"
            ) from None
    return records, failures


def check(records: list[Record], failures: list[Failure] | None = None) -> Verdict:
    """Judge answers in the order in which the client got them."""
    counts = Counter(record.number for record in records)
    numbers = [record.number for record in records]
    first, last = (min(numbers), max(numbers)) if numbers else (0, 0)
    duplicates = tuple(sorted(n for n, times in counts.items() if times > 1))
    missing = tuple(n for n in range(first, last + 1) if n not in counts) if numbers else ()
    backwards = sum(1 for a, b in itertools.pairwise(numbers) if b < a)
    gap, began = _longest_gap(records)
    boot_ids = tuple(dict.fromkeys(record.boot_id for record in records))
    problems = _problems(
        len(records), duplicates=duplicates, missing=missing, backwards=backwards, boots=boot_ids
    )
    return Verdict(
        ok=not problems,
        answers=len(records),
        first=first,
        last=last,
        duplicates=duplicates,
        missing=missing,
        out_of_order=backwards,
        boot_ids=boot_ids,
        hosts=tuple(dict.fromkeys(record.host for record in records)),
        longest_gap_seconds=gap,
        gap_began_seconds=began,
        unanswered=len(failures or ()),
        problems=tuple(problems),
    )


def longest_gap_between(records: list[Record], begin: float, end: float) -> float:
    """Longest time without an answer [s] that overlaps `begin` to `end` of the client's clock."""
    return max(
        (
            b.seconds - a.seconds
            for a, b in itertools.pairwise(records)
            if b.seconds > begin and a.seconds < end
        ),
        default=0.0,
    )


def _longest_gap(records: list[Record]) -> tuple[float, float]:
    pairs = itertools.pairwise(records)
    return max(((b.seconds - a.seconds, a.seconds) for a, b in pairs), default=(0.0, 0.0))


def _problems(
    answers: int,
    *,
    duplicates: tuple[int, ...],
    missing: tuple[int, ...],
    backwards: int,
    boots: tuple[str, ...],
) -> list[str]:
    if not answers:
        return ["the client got no answer at all"]
    found = []
    if duplicates:
        found.append(f"{len(duplicates)} numbers were given more than once: {_few(duplicates)}")
    if missing:
        found.append(f"{len(missing)} numbers are missing: {_few(missing)}")
    if backwards:
        found.append(f"{backwards} answers carry a smaller number than the one before")
    if len(boots) > 1:
        found.append(f"{len(boots)} processes answered, one was expected: {', '.join(boots)}")
    return found


def _few(numbers: tuple[int, ...]) -> str:
    text = ", ".join(str(n) for n in numbers[:SHOWN])
    return text + (f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else "")
