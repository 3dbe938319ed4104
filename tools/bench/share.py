"""Where the time of a freeze goes: the parts of criu, runc and kubelet, and our own. Pure.

The input is what podferry says anyway: the facts that the agents persist, the wrapper's markers and
the two log lines that an agent writes for each stage (`order accepted`, `stage reached`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the freeze; `ours` is what neither criu, runc nor kubelet spends."""

    name: str
    ours: bool
    what: str


PARTS = (
    Part("pause", False, "freezer written and read back"),
    Part("source_work", True, "source agent: connects to the target's, writes what it knows"),
    Part("dump", False, "runc checkpoint and criu, from their start to the noticed end"),
    Part("send_images", True, "source agent: criu's images and the manifest to the target"),
    Part("order_rehearse", True, "source frozen -> target has its order (controller)"),
    Part("target_work", True, "target agent and wrapper: checks, files, shield, hand-over"),
    Part("restore", False, "runc restore and criu"),
    Part("order_seal", True, "target rehearsed -> source has its order (controller)"),
    Part("seal", True, "source agent: FATE durable, frozen read back, dead-man ended"),
    Part("commit", True, "sealed -> decision written -> target has its order (controller)"),
    Part("final_pod", False, "kept name: old pods end, the owner's new pod reaches `create`"),
    Part("final_restore", False, "kept name: runc restore and criu once more"),
    Part("resume", True, "target agent: RESUMING durable, thaw, read back"),
)
OURS = tuple(part.name for part in PARTS if part.ours)


@dataclass(frozen=True, slots=True)
class Stages:
    """Unix times at which orders were accepted and stages reached, by (role, stage)."""

    accepted: dict[tuple[str, str], float]
    reached: dict[tuple[str, str], float]


def stages(lines: Iterable[Mapping[str, Any]], migration: str) -> Stages:
    """First acceptance and first end of every stage of one Migration in the agents' logs."""
    found = Stages({}, {})
    for line in lines:
        if line.get("migration") != migration:
            continue
        key = (str(line.get("role")), str(line.get("stage")))
        kinds = {"order accepted": found.accepted, "stage reached": found.reached}
        kind = kinds.get(str(line.get("event")))
        if kind is not None:
            kind.setdefault(key, unix(str(line["timestamp"])))
    return found


def unix(stamp: str) -> float:
    """Seconds since 1970 of an RFC 3339 stamp."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def parts(
    source: Facts, target: Facts, marks: Mapping[str, Facts], times: Stages
) -> dict[str, float]:
    """Seconds of each part, by name; they add up to the freeze.

    `marks`: the wrapper's files of the target, `restored` (the rehearsal or the one restore) and
    for a kept name `final-claim` and `final-restored`. Raises KeyError where something is missing.
    """
    frozen, resumed = float(source["frozenAt"]), float(target["resumedAt"])
    pause, dump = float(source["pauseSeconds"]), float(source["dumpSeconds"])
    sent, restore = float(source["transferSeconds"]), float(marks["restored"]["seconds"])
    source_done = times.reached[("source", "Frozen")]
    rehearse, rehearsed = (
        kind[("target", "Rehearsed")] for kind in (times.accepted, times.reached)
    )
    seal, sealed = (kind[("source", "Sealed")] for kind in (times.accepted, times.reached))
    resume = times.accepted[("target", "Resumed")]
    found = {
        "pause": pause,
        "source_work": source_done - frozen - pause - dump - sent,
        "dump": dump,
        "send_images": sent,
        "order_rehearse": rehearse - source_done,
        "target_work": rehearsed - rehearse - restore,
        "restore": restore,
        "order_seal": seal - rehearsed,
        "seal": sealed - seal,
        "commit": resume - sealed,
        "resume": resumed - resume,
    }
    if "final-restored" in marks:
        found["final_pod"] = float(marks["final-claim"]["at"]) - resume
        found["final_restore"] = float(marks["final-restored"]["seconds"])
        found["resume"] -= found["final_pod"] + found["final_restore"]
    return found


def own(found: Mapping[str, float]) -> float:
    """Our share: all but what criu, runc and kubelet spent [s]."""
    return sum(found[name] for name in OURS if name in found)
