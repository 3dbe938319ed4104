"""The `RescuePolicy` object: spec and status as frozen values.

Owns the shape of the API; the CRD is generated from these classes. What the plug-ins are called and
take is known to `podferry.policies`, which reads the same mapping. Never does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from podferry.api.migration import ConditionStatus, CopyMode, StrategyName


class RescueMode(StrEnum):
    """Whether decisions are carried out."""

    DRY_RUN = "DryRun"
    ACT = "Act"


class NodeState(StrEnum):
    """Where a node stands for a policy, for printing and for metrics."""

    FINE = "Fine"
    OVERLOADED = "Overloaded"
    RELIEVING = "Relieving"
    UNKNOWN = "Unknown"
    CONTESTED = "Contested"


class Action(StrEnum):
    """What the last decision about a node was."""

    MOVE = "Move"
    WOULD_MOVE = "WouldMove"
    WAIT = "Wait"
    NO_VICTIM = "NoVictim"
    NO_ROOM = "NoRoom"
    COLD_RESTART = "ColdRestart"
    WOULD_COLD_RESTART = "WouldColdRestart"
    CANCEL = "Cancel"


@dataclass(frozen=True, slots=True)
class PlugIn:
    """A rule by its name, with its arguments; `podferry.policies` says which there are."""

    name: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RescueBudgets:
    """How much may be moved at once, and how soon again; they also bound a storm of moves."""

    out_per_node: int = 1
    in_per_node: int = 1
    per_cluster: int = 10
    cool_down_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class RescuePolicySpec:
    """Which nodes are watched, which workloads may be moved, and by which rules."""

    detector: PlugIn
    victim: PlugIn
    target: PlugIn
    mode: RescueMode = RescueMode.DRY_RUN
    node_selector: dict[str, str] | None = None
    namespace_selector: dict[str, str] | None = None
    pod_selector: dict[str, str] | None = None
    gates: tuple[PlugIn, ...] = ()
    budgets: RescueBudgets = field(default_factory=RescueBudgets)
    period_seconds: float = 5.0
    moves_at_once: int = 0
    copy: CopyMode = CopyMode.AUTO
    max_freeze_seconds: float | None = None
    freeze_first: bool = False
    fallback: tuple[StrategyName, ...] = ()


@dataclass(frozen=True, slots=True)
class RescueDecision:
    """What was decided about a node the last time that something was."""

    at: str
    action: Action
    why: str
    pod: str = ""
    """`namespace/name`."""
    target: str = ""
    migration: str = ""
    """`namespace/name`."""
    shortfall_bytes: int = 0
    """NoRoom: what the best node lacks."""


@dataclass(frozen=True, slots=True)
class RescueNode:
    """A node that is not simply fine."""

    name: str
    state: NodeState
    why: str = ""
    available_bytes: int = 0
    eviction_bytes: int = 0
    slope_bytes_per_second: int = 0
    exhausted_in_seconds: float | None = None
    need_bytes: int = 0
    last_decision: RescueDecision | None = None


@dataclass(frozen=True, slots=True)
class RescuePolicyStatus:
    """What the policy sees and did. Conditions: `Valid`, `NodesKnown`, `RoomFound`, `InTime`."""

    observed_generation: int = 0
    conditions: tuple[ConditionStatus, ...] = ()
    evaluated_at: str = ""
    nodes_selected: int = 0
    nodes_unknown: int = 0
    model: str = ""
    """Where expected times come from: `prior (...)` or `measured (n=..., newest ... old)`."""
    moves_asked: int = 0
    nodes: tuple[RescueNode, ...] = ()


@dataclass(frozen=True, slots=True)
class RescuePolicy:
    """Watches nodes and moves workloads off those that will run out of memory; cluster-scoped."""

    name: str
    uid: str
    generation: int
    resource_version: str
    created_at: str
    spec: RescuePolicySpec
    status: RescuePolicyStatus
