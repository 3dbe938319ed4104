"""Side effects that the core may ask for: named, idempotent, described as values.

The executor (`controller/runtime/executor.py`) is the only caller of what they stand for. Order
in a step matters: a later action is not started when an earlier one failed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from podferry.wire.stages import Order, Role


@dataclass(frozen=True, slots=True)
class EnsureFinalizer:
    """Put our finalizer on the Migration; before any other side effect."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Take our finalizer off; the last act."""


@dataclass(frozen=True, slots=True)
class OrderAgent:
    """PUT an order to the agent on `node` and wait up to `wait_seconds` for its answer.

    `after`: a side and a stage; the order is skipped unless that side's last answer, for instance
    to an earlier action of the same step, says that it is there. The next step asks again.
    """

    node: str
    address: str
    order: Order
    wait_seconds: float
    after: tuple[Role, str] | None = None


@dataclass(frozen=True, slots=True)
class DetachSource:
    """Take `labels` off the source pod so that its owner makes a replacement.

    On the way back also off the target pod of a Job, which then counts no failure.
    Their values are kept in an annotation; precondition: pod uid.
    """

    namespace: str
    pod: str
    uid: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReattachSource:
    """Give the labels back and raise the pod's deletion cost; precondition: pod uid."""

    namespace: str
    pod: str
    uid: str
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Create this pod; it already existing with the same restore annotation is success."""

    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete exactly this uid; gone already is success."""

    namespace: str
    pod: str
    uid: str
    grace_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class MarkPodRunning:
    """Set the readiness gate `podferry.dev/running` to True on the pod's status."""

    namespace: str
    pod: str
    uid: str


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """An event on the Migration and on the source or target pod."""

    type: str
    reason: str
    message: str
    pod: str = ""
    pod_uid: str = ""


@dataclass(frozen=True, slots=True)
class ProbeSource:
    """Ask the source agent for a fresh verdict on the container (io_uring, MPTCP, memory)."""

    node: str
    address: str
    body: dict[str, Any] = field(default_factory=dict)


Action = (
    EnsureFinalizer
    | RemoveFinalizer
    | OrderAgent
    | DetachSource
    | ReattachSource
    | CreatePod
    | DeletePod
    | MarkPodRunning
    | RecordEvent
    | ProbeSource
)
