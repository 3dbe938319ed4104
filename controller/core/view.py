"""What one reconcile of a Migration sees and what it answers: values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from podferry.api.migration import Migration, MigrationStatus
from podferry.controller.core.actions import Action
from podferry.strategies.container.moves import MoveRecord
from podferry.wire.stages import Observed


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node as the API server and its agent describe it."""

    name: str
    address: str
    ready: bool
    cordoned: bool
    taints: tuple[dict[str, str], ...]
    labels: dict[str, str]
    allocatable_bytes: int
    requested_bytes: int
    facts: dict[str, Any] | None
    """Node facts of the agent (wire/agent_api.py); None: no agent answers."""


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A raw PersistentVolumeClaim and its raw PersistentVolume, None where it has none."""

    claim: dict[str, Any]
    volume: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How many moves may be under way at once per node; at least 1 each."""

    out_per_node: int = 2
    in_per_node: int = 2


@dataclass(frozen=True, slots=True)
class Need:
    """Whether what a rescue asked for is still needed."""

    needed: bool | None
    """None: nobody knows, so nothing is frozen for it and nothing is taken back."""
    why: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a decision on one Migration may use.

    `pods`: raw pods of the namespace by name; `owner`: raw controller object of the source (the
    ReplicaSet, Job or StatefulSet) or None; `source`/`target`: last answers of the agents with
    their age in `*_age_seconds` (infinite: never answered); `probe`: last answer of the probe.
    `others`: other non-terminal Migrations of the namespace; `active`: the same of the cluster.
    `namespace`: the raw namespace until the freeze is ordered, None afterwards.
    `ending`: this replica steps down as soon as nothing is frozen.
    """

    migration: Migration
    now: datetime
    pods: dict[str, dict[str, Any]]
    nodes: dict[str, NodeView]
    owner: dict[str, Any] | None
    others: tuple[Migration, ...] = ()
    history: tuple[MoveRecord, ...] = ()
    """Finished moves, for the fitted model."""
    source: Observed | None = None
    source_age_seconds: float = float("inf")
    target: Observed | None = None
    target_age_seconds: float = float("inf")
    probe: dict[str, Any] | None = None
    quotas: tuple[dict[str, Any], ...] = ()
    """Raw ResourceQuotas of the namespace; read before the acceptance only."""
    budgets: tuple[dict[str, Any], ...] = ()
    """Raw PodDisruptionBudgets of the namespace; only before the acceptance of what keeps them."""
    namespace: dict[str, Any] | None = None
    active: tuple[Migration, ...] = ()
    claims: dict[str, ClaimView] = field(default_factory=dict)
    """Claims that opted-in pods of the namespace mount, by name; only before it is accepted."""
    limits: Limits = field(default_factory=Limits)
    ending: bool = False
    need: Need | None = None
    """Of a rescue's move, until its freeze is ordered: whether it is still needed."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now. The status is written first (merge patch with the resourceVersion that was
    read), if it differs; the actions run after that write, in order; a failed status write means
    that no action runs. `decides`: this status carries the decision, a conflict or an unknown
    outcome must be answered by reading again, never by acting.
    """

    status: MigrationStatus
    actions: tuple[Action, ...] = field(default=())
    requeue_after_seconds: float | None = None
    decides: bool = False
