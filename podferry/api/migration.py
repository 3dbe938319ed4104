"""The `Migration` object: spec and status as frozen values.

Owns the shape of the API; the CRD is generated from these classes (`api/crd.py`), so a field
exists here or nowhere. Never does I/O. YAML names are the camelCase of the Python ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WorkloadKind(StrEnum):
    """What may be moved; owners are resolved to their one pod."""

    POD = "Pod"
    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    JOB = "Job"
    VIRTUAL_MACHINE_INSTANCE = "VirtualMachineInstance"


class StrategyName(StrEnum):
    """How a workload is moved."""

    AUTO = "Auto"
    CONTAINER = "Container"
    VIRTUAL_MACHINE = "VirtualMachine"
    COLD_RESTART = "ColdRestart"


class CopyMode(StrEnum):
    """When the memory travels."""

    AUTO = "Auto"
    STOP_AND_COPY = "StopAndCopy"
    PRE_COPY = "PreCopy"
    POST_COPY = "PostCopy"


class Transport(StrEnum):
    """By which way the memory travels."""

    DIRECT = "Direct"
    SHARED_FILESYSTEM = "SharedFilesystem"


class Decision(StrEnum):
    """The one decision of a Migration, written by compare-and-swap.

    Only `Committed -> Reverted` may follow, when the target is proven never to have run, or when
    a PostCopy that lost its pages is cancelled.
    """

    UNDECIDED = "Undecided"
    COMMITTED = "Committed"
    ROLLED_BACK = "RolledBack"
    REVERTED = "Reverted"


@dataclass(frozen=True, slots=True)
class WorkloadRef:
    """Which workload, in the Migration's namespace."""

    kind: WorkloadKind
    name: str


@dataclass(frozen=True, slots=True)
class MigrationSpec:
    """What a user asks for. Immutable but for `cancel`."""

    workload_ref: WorkloadRef
    strategy: StrategyName = StrategyName.AUTO
    target_node: str = ""
    target_selector: dict[str, str] | None = None
    copy: CopyMode = CopyMode.AUTO
    transport: Transport = Transport.DIRECT
    max_freeze_seconds: float | None = None
    freeze_first: bool = False
    deadline_seconds: int = 300
    ttl_seconds_after_finished: int | None = None
    fallback: tuple[StrategyName, ...] = ()
    cancel: bool = False


@dataclass(frozen=True, slots=True)
class ConditionStatus:
    """One condition, KEP-1623."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: str
    observed_generation: int = 0


@dataclass(frozen=True, slots=True)
class OwnerRef:
    """The controller of the source pod when the Migration was accepted."""

    kind: str
    name: str
    uid: str
    generation: int = 0
    replicas: int = 1


def keeps_name(owner: OwnerRef | None) -> bool:
    """Whether the replacement must carry the source's name (StatefulSet, bare pod)."""
    return owner is None or owner.kind == "StatefulSet"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of the move."""

    node: str = ""
    address: str = ""
    pod: str = ""
    uid: str = ""
    container: str = ""
    container_id: str = ""
    pod_ip: str = ""
    image: str = ""
    """Source: the image that the container was made of, `name@sha256:...` where the runtime has it
    by that name, else its ID."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A place that a Migration waits for; `position` 1 is the next."""

    source_node: str
    target_node: str
    position: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Which created pod became the target; taken once, by compare-and-swap."""

    token: str
    attempt: int
    at: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What we expect; `source` is `prior (...)` or `measured (n=..., ...)`."""

    freeze_p50_seconds: float
    freeze_p95_seconds: float
    total_seconds: float
    bytes: int
    source: str


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """How long one step took."""

    name: str
    started_at: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What it took."""

    freeze_seconds: float = 0.0
    total_seconds: float = 0.0
    prepare_seconds: float = 0.0
    dump_seconds: float = 0.0
    restore_seconds: float = 0.0
    bytes: int = 0
    tcp_connections_closed: int = 0
    phases: tuple[PhaseTime, ...] = ()


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One try and how it ended."""

    number: int
    result: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """What was observed and decided."""

    phase: str = ""
    observed_generation: int = 0
    conditions: tuple[ConditionStatus, ...] = ()
    strategy: str = ""
    strategy_reason: str = ""
    copy: str = ""
    copy_reason: str = ""
    owner: OwnerRef | None = None
    source: Endpoint | None = None
    target: Endpoint | None = None
    attempt: int = 0
    freeze_epoch: int = 0
    claim: Claim | None = None
    queued: Queued | None = None
    decision: Decision = Decision.UNDECIDED
    decision_reason: str = ""
    decision_message: str = ""
    decided_at: str = ""
    source_detached: bool = False
    detached_labels: dict[str, str] | None = None
    frozen_at: str = ""
    resumed_at: str = ""
    started_at: str = ""
    completed_at: str = ""
    prediction: Prediction | None = None
    measured: Measured | None = None
    attempts: tuple[AttemptRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Migration:
    """The object: the metadata that we use, spec and status."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    deletion_requested: bool
    finalizers: tuple[str, ...]
    created_at: str
    spec: MigrationSpec
    status: MigrationStatus
    rescue_policy: str = ""
    """Label: the RescuePolicy that asked for it; empty: a person did, or a drain."""
    requested_by: str = ""
    """Label: the tool that asked for it (`eviction`, `drain`, `rescue`); empty: a person did."""
