"""At which `memory.available` kubelet evicts, from its settings. Pure.

As kubernetes v1.36.3 does it: loadConfigFile, mergeKubeletConfigurations and
kubeletConfigFlagPrecedence of cmd/kubelet/app/server.go, parseThresholdStatement of
pkg/kubelet/eviction/helpers.go.
- `evictionHard` that is not set: DEFAULT. Set without `memory.available`: kubelet evicts at none,
  but with `mergeDefaultEvictionSettings` of the same file at DEFAULT.
- Each drop-in is laid over what is there, key by key (a JSON merge patch: null takes away).
- The flag, if it is given, takes the place of the whole map.
- `0%` and `100%` mean none.

Owns those rules. Never does: read a file.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from podferry.api.quantity import parse_bytes

SIGNAL = "memory.available"
DEFAULT = "100Mi"
DEFAULT_SOURCE = "default"
_TOLD_MOST = 300
"""Length of a reason [characters]."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of `memory.available` [bytes]. `hard` 0: kubelet evicts at none. `soft` None: none is set."""

    hard: float
    soft: float | None
    source: str
    share: float | None = None
    """`hard` as a share of the capacity, if it was given as one."""

    def equivalent(self, limit: float, used: float) -> float | None:
        """The `memory.available` that is as far from the threshold as pods within a limit are.

        kubelet evicts too if all pods together have less than the threshold left of their limit;
        of a threshold that is a share it takes the share of that limit. None: it has no threshold.
        """
        if not self.hard:
            return None
        own = self.hard if self.share is None else float(int(limit * self.share))
        return limit - used - own + self.hard


@dataclass(frozen=True, slots=True)
class Settings:
    """What the node's kubelet was told. Each file is (path, its object).

    `config` None: there is no --config. `flags` has the maps of the flags that were given.
    """

    config: tuple[str, Mapping[str, Any]] | None = None
    drop_ins: Sequence[tuple[str, Mapping[str, Any]]] = ()
    flags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def unknown(why: str, capacity: int) -> Thresholds:
    """kubelet's default, and why nothing better is known."""
    return Thresholds(_bytes(DEFAULT, capacity) or 0.0, None, f"unknown: {why[:_TOLD_MOST]}")


def of(settings: Settings, capacity: int) -> Thresholds:
    """On a node of `capacity` bytes. Raises ValueError naming what it cannot read."""
    hard, source = _effective(settings, "evictionHard", "eviction-hard")
    soft, _ = _effective(settings, "evictionSoft", "eviction-soft")
    at = _bytes(hard[SIGNAL], capacity) if SIGNAL in hard else None
    if at is None:
        source = f"{source[:_TOLD_MOST]} (no {SIGNAL} in evictionHard: kubelet evicts at none)"
    late = _bytes(soft[SIGNAL], capacity) if SIGNAL in soft else None
    return Thresholds(at or 0.0, late, source, _share(str(hard[SIGNAL])) if at else None)


def flag_map(texts: Sequence[str]) -> dict[str, str]:
    """The map of all values of one flag: `signal<value`, separated by commas. Raises ValueError."""
    found: dict[str, str] = {}
    for pair in (each for text in texts for each in text.split(",") if each):
        name, less, value = pair.partition("<")
        if not less:
            raise ValueError(f"{pair[:80]!r} of a kubelet flag is not SIGNAL<VALUE")
        found[name.strip()] = value.strip()
    return found


def _effective(settings: Settings, key: str, flag: str) -> tuple[Mapping[str, Any], str]:
    """The map in effect, and what it or its `memory.available` is from."""
    if flag in settings.flags:
        return settings.flags[flag], f"--{flag} of kubelet"
    default = {SIGNAL: DEFAULT} if key == "evictionHard" else {}
    found, source = dict(default), DEFAULT_SOURCE
    if settings.config is not None:
        path, body = settings.config
        given = _map(body, key, path)
        if given is not None:
            merged = body.get("mergeDefaultEvictionSettings") is True
            found = {**(default if merged else {}), **given}
            source = DEFAULT_SOURCE if merged and SIGNAL not in given else path
    for path, body in settings.drop_ins:
        if key in body:
            found, source = _patched(found, _map(body, key, path), path, source)
    return found, source


def _patched(
    found: dict[str, Any], patch: Mapping[str, Any] | None, path: str, source: str
) -> tuple[dict[str, Any], str]:
    if patch is None:
        return {}, path
    merged = {**found, **patch}
    kept = {name: value for name, value in merged.items() if value is not None}
    return kept, path if SIGNAL in patch else source


def _map(body: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any] | None:
    value = body.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"{path}: {key} is {str(value)[:40]!r}, not a map")
    return value


def _bytes(value: Any, capacity: int) -> float | None:
    """A quantity or a share as bytes. None: no threshold."""
    text = str(value)
    if text in ("0%", "100%"):
        return None
    share = _share(text)
    return float(parse_bytes(text)) if share is None else float(int(capacity * share))


def _share(text: str) -> float | None:
    """`7%` as kubelet keeps it; None: not a share. Raises ValueError."""
    if not text.endswith("%"):
        return None
    try:
        share = _single(_single(float(text.rstrip("%"))) / 100)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{SIGNAL} {text[:40]!r} is no share") from error
    if not 0 <= share <= 1:
        raise ValueError(f"{SIGNAL} {text[:40]!r} is not between 0 % and 100 %")
    return share


def _single(value: float) -> float:
    """As Go's float32 has it."""
    return float(struct.unpack("f", struct.pack("f", value))[0])
