"""Stages, verdicts and orders between controller and agents. See docs/explanation/protocol.md.

Stages of one role only move forward within an attempt; a repeated order gives the same answer;
an older attempt or a backward stage is answered 409.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """Which side of an attempt an agent plays."""

    SOURCE = "source"
    TARGET = "target"


class Verdict(StrEnum):
    """The decision as the controller read it back from the API server."""

    UNDECIDED = "Undecided"
    COMMITTED = "Committed"
    ROLLED_BACK = "RolledBack"


class SourceStage(StrEnum):
    """Source stages in order; THAWED and RELEASED are the two ends."""

    PREPARED = "Prepared"
    """Checked again, transfer folders made; the workload runs, unless pauseFirst was asked for."""
    FROZEN = "Frozen"
    """Paused, dumped, every byte durable at the target (PostCopy: pages are being served)."""
    SEALED = "Sealed"
    """FATE=sealed is durable and the cgroup was read back frozen; only a verdict moves it."""
    REDIRECTED = "Redirected"
    """Verdict Committed: connections reset, new ones forwarded to the target; still frozen."""
    RELEASED = "Released"
    """Verdict Committed: frozen tasks killed, holds gone."""
    THAWED = "Thawed"
    """Verdict RolledBack (or before any freeze): runs as before, shield and holds gone."""


class TargetStage(StrEnum):
    """Target stages in order; DISARMED and ABORTED are the way back."""

    PREPARED = "Prepared"
    """Folders and page server ready, the container held in `create` (fact `claimed`)."""
    REHEARSED = "Rehearsed"
    """Restored and frozen: all memory mapped, nothing runs."""
    RESUMED = "Resumed"
    """Verdict Committed: RESUMED is durable, cgroup thawed, init alive."""
    DISARMED = "Disarmed"
    """Durably unresumable; frozen tasks and images stay. With verdict Committed it is the
    attestation that the target never ran and has no task left."""
    ABORTED = "Aborted"
    """Verdict RolledBack, the source is awake: tasks killed, images gone."""
    FORGOTTEN = "Forgotten"
    """After success: images gone, only the consumed marker stays."""


SOURCE_ORDER: tuple[SourceStage, ...] = (
    SourceStage.PREPARED,
    SourceStage.FROZEN,
    SourceStage.SEALED,
    SourceStage.REDIRECTED,
    SourceStage.RELEASED,
)
TARGET_ORDER: tuple[TargetStage, ...] = (
    TargetStage.PREPARED,
    TargetStage.REHEARSED,
    TargetStage.RESUMED,
    TargetStage.FORGOTTEN,
)


class Progress(StrEnum):
    """Where an agent is on its way to the wanted stage."""

    WORKING = "Working"
    REACHED = "Reached"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Order:
    """What the controller wants of one side of an attempt. Body of PUT, see `to_dict`.

    `params` of the source: namespace, pod, podUID, container, containerID, copy
    (StopAndCopy|PostCopy), targetAddress (IP of the target's agent), pagePort,
    deadManSeconds, sameName (bool), volumes [{name, kind}]; with stage Prepared also pauseFirst
    (true: pause the workload at the end of it; an agent that does not know this pauses it at
    Frozen, as ever); with stage Redirected also podIP (the
    source pod's) and forwardTo (the target pod's; absent: nothing is forwarded), with stage
    Released also forwardSeconds (for how long new connections are still forwarded) and, PostCopy,
    pagesDone (true: nobody needs a page of it any more); with stage Thawed also ending (its
    pod is being ended: a TERM that was swallowed is sent again) and graceSeconds (how long a stop
    of the pod takes: a KILL of it is swallowed unless ending).
    `params` of the target: namespace, container, copy, sourceAddress, pagePort, sameName (bool),
    volumes; with stage Resumed and sameName also finalPodUID; with stage Forgotten also
    forwardedFrom (the source pod's IP) and pagesGivenUp (true: what did not arrive never will).
    """

    migration: str
    attempt: int
    role: Role
    stage: str
    verdict: Verdict = Verdict.UNDECIDED
    freeze_epoch: int = 0
    params: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON object as sent over the wire."""
        return {
            "migration": self.migration,
            "attempt": self.attempt,
            "role": self.role.value,
            "stage": self.stage,
            "verdict": self.verdict.value,
            "freezeEpoch": self.freeze_epoch,
            "params": self.params,
        }

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> Order:
        """Parse and check an order. Raises ValueError naming the bad field."""
        try:
            role = Role(raw["role"])
            stages = SourceStage if role is Role.SOURCE else TargetStage
            return Order(
                migration=str(raw["migration"]),
                attempt=int(raw["attempt"]),
                role=role,
                stage=stages(raw["stage"]).value,
                verdict=Verdict(raw.get("verdict", Verdict.UNDECIDED.value)),
                freeze_epoch=int(raw.get("freezeEpoch", 0)),
                params=dict(raw.get("params") or {}),
            )
        except KeyError as error:
            raise ValueError(f"order without field {error}") from error
        except (TypeError, OverflowError) as error:
            raise ValueError(f"order with a field of the wrong type: {error}") from error


@dataclass(frozen=True, slots=True)
class Observed:
    """What an agent says of one side of an attempt. Answer of PUT and GET.

    `stage` is the highest stage reached ("" before the first), `wanted` the one being worked on.
    `facts`: source: residentBytes, imageBytes, pagesBytes, pauseSeconds, dumpSeconds,
    transferSeconds, frozenAt (unix seconds), pausedFirst (true: paused at Prepared), frozen
    (bool, read back from the cgroup), alive (bool), tcpConnections, connectionsReset,
    swallowedKills, pagesDone (bool, PostCopy), forwardedTo (IP, empty if nothing is forwarded),
    forwardError.
    Target: claimed (bool), claimPodUID, containerID, podIP, restoreSeconds, resumedAt,
    resumedPodUID, neverRan (bool), alive, forwardedReset.
    `error`: {"reason", "message"} when progress is Failed.
    """

    migration: str
    attempt: int
    role: Role
    stage: str
    wanted: str
    progress: Progress
    error: dict[str, str] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON object as sent over the wire."""
        return {
            "migration": self.migration,
            "attempt": self.attempt,
            "role": self.role.value,
            "stage": self.stage,
            "wanted": self.wanted,
            "progress": self.progress.value,
            "error": self.error,
            "facts": self.facts,
        }

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> Observed:
        """Parse an answer. Raises ValueError or KeyError on nonsense."""
        try:
            failure = raw.get("error")
            return Observed(
                migration=str(raw["migration"]),
                attempt=int(raw["attempt"]),
                role=Role(raw["role"]),
                stage=str(raw["stage"]),
                wanted=str(raw["wanted"]),
                progress=Progress(raw["progress"]),
                error=None if failure is None else dict(failure),
                facts=dict(raw.get("facts") or {}),
            )
        except (TypeError, OverflowError) as error:
            raise ValueError(f"answer with a field of the wrong type: {error}") from error

    def reached(self, stage: str) -> bool:
        """Whether this side is at `stage` or, on the forward path, beyond it."""
        order: tuple[str, ...] = tuple(
            item.value for item in (SOURCE_ORDER if self.role is Role.SOURCE else TARGET_ORDER)
        )
        if self.stage == stage:
            return True
        if stage in order and self.stage in order:
            return order.index(self.stage) >= order.index(stage)
        return False
