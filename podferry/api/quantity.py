"""Durations and sizes as people write them, into seconds and bytes. Pure.

Owns the limits beyond which a value is taken for a slip of the pen. It never guesses a unit.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

LONGEST_SECONDS = 7 * 86400
LARGEST_BYTES = 2**60

_SECONDS = {
    "ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600),
}  # fmt: skip
_BYTES = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "P": Decimal(10**15), "E": Decimal(10**18), "Ki": Decimal(2**10), "Mi": Decimal(2**20),
    "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_NUMBER = r"(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})"
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|s|m|h))+")
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|s|m|h)")
_SIZE = re.compile(rf"({_NUMBER})(?:[eE]([+-]?[0-9]{{1,2}})|([KMGTPE]i|[numkMGTPE]|))")
_HOW = "write a number of bytes or one with a unit, such as 64Mi, 3Gi or 1e9"


def parse_duration(text: str) -> float:
    """Return a duration such as `500ms`, `2s`, `5m` or `1m30s` in seconds.

    Raises:
        ValueError: no such duration, negative, or longer than seven days; says what to write.
    """
    raw = text.strip()
    how = "write a number and a unit (ms, s, m, h), such as 500ms, 2s or 5m"
    if raw.startswith("-"):
        raise ValueError(f'duration "{text}" is negative; {how}')
    if not _DURATION.fullmatch(raw):
        lacks_unit = re.fullmatch(_NUMBER, raw) is not None
        raise ValueError(
            f'duration "{text}" has no unit; write {raw}s if you mean seconds'
            if lacks_unit
            else f'duration "{text[:40]}" cannot be read; {how}'
        )
    parts = _DURATION_PART.findall(raw)
    seconds = sum((Decimal(number) * _SECONDS[unit] for number, unit in parts), Decimal(0))
    if seconds > LONGEST_SECONDS:
        raise ValueError(
            f'duration "{text}" is longer than {LONGEST_SECONDS // 86400} days'
            f" ({LONGEST_SECONDS} s), which no move needs; give a shorter one"
        )
    return float(seconds)


def parse_bytes(text: str | int | float) -> int:
    """Return a Kubernetes quantity such as `3Gi`, `64Mi`, `500M` or `1e9` in bytes, rounded up.

    Raises:
        ValueError: no such size, negative, or above 1 EiB; says what to write.
    """
    size = parse_amount(text)
    if size > LARGEST_BYTES:
        raise ValueError(f'size "{text}" is above 1 EiB, which no node has; {_HOW}')
    return int(size.to_integral_value(rounding=ROUND_CEILING))


def parse_amount(text: str | int | float) -> Decimal:
    """Return any Kubernetes quantity, such as `500m` processors or `3Gi` bytes, exactly.

    Raises:
        ValueError: no such quantity, or negative; says what to write.
    """
    raw = str(text).strip()
    if raw.startswith("-"):
        raise ValueError(f'size "{text}" is negative; {_HOW}')
    match = _SIZE.fullmatch(raw)
    if match is None:
        raise ValueError(f'size "{str(text)[:40]}" cannot be read; {_HOW}')
    number, exponent, suffix = match.groups()
    return Decimal(number) * (Decimal(f"1e{exponent}") if exponent else _BYTES[suffix])
