"""Condition types and reasons: the whole vocabulary that users see. Constants only."""

from __future__ import annotations

from enum import StrEnum


class Condition(StrEnum):
    """Condition types of a Migration; they are the truth, the phase is derived from them."""

    ACCEPTED = "Accepted"
    TARGET_READY = "TargetReady"
    SOURCE_FROZEN = "SourceFrozen"
    REHEARSED = "Rehearsed"
    COMMITTED = "Committed"
    RESUMED = "Resumed"
    PAGING = "Paging"
    SOURCE_RELEASED = "SourceReleased"
    SUCCEEDED = "Succeeded"
    PROGRESSING = "Progressing"


class Phase(StrEnum):
    """Derived, for printing only."""

    PENDING = "Pending"
    PREPARING = "PreparingTarget"
    TARGET_READY = "TargetReady"
    FREEZING = "Freezing"
    REHEARSING = "Rehearsing"
    COMMITTED = "Committed"
    PAGING = "Paging"
    RELEASING = "Releasing"
    ROLLING_BACK = "RollingBack"
    SUCCEEDED = "Succeeded"
    COLD_RESTARTED = "ColdRestarted"
    ROLLED_BACK = "RolledBack"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


TERMINAL = frozenset(
    {Phase.SUCCEEDED, Phase.COLD_RESTARTED, Phase.ROLLED_BACK, Phase.FAILED, Phase.CANCELLED}
)


class Reason(StrEnum):
    """Why a condition has its status. Refusals first, then failures, then progress."""

    NOT_SUPPORTED_YET = "NotSupportedYet"
    UNKNOWN_WORKLOAD = "UnknownWorkload"
    AMBIGUOUS_WORKLOAD = "AmbiguousWorkload"
    UNKNOWN_NODE = "UnknownNode"
    TARGET_IS_SOURCE = "TargetIsSource"
    TARGET_NOT_READY = "TargetNotReady"
    TARGET_CORDONED = "TargetCordoned"
    TARGET_TAINTED = "TargetTainted"
    NO_ELIGIBLE_TARGET = "NoEligibleTarget"
    AGENT_MISSING = "AgentMissing"
    OLDER_RUNTIME = "OlderRuntime"
    MISSING_CPU_FEATURES = "MissingCPUFeatures"
    NODE_NOT_CAPABLE = "NodeNotCapable"
    OWNER_NOT_SUPPORTED = "OwnerNotSupported"
    STATIC_POD = "StaticPod"
    NOT_OPTED_IN = "NotOptedIn"
    EXCLUDED = "Excluded"
    NOT_RUNNING = "NotRunning"
    HOST_NETWORK = "HostNetwork"
    HOST_NAMESPACES = "HostNamespaces"
    HOST_PATH = "HostPath"
    TERMINAL_ATTACHED = "TerminalAttached"
    DEVICES = "Devices"
    SHARED_PROCESS_NAMESPACE = "SharedProcessNamespace"
    PERSISTENT_VOLUME = "PersistentVolume"
    SEVERAL_CONTAINERS = "SeveralContainers"
    INIT_CONTAINERS = "InitContainers"
    LIFECYCLE_HOOK = "LifecycleHook"
    IO_URING = "IOUring"
    MPTCP = "MPTCP"
    UNSUPPORTED_RESOURCE = "UnsupportedResource"
    ALREADY_MIGRATING = "AlreadyMigrating"
    INVALID_SPEC = "InvalidSpec"
    FREEZE_OVER_BUDGET = "FreezeOverBudget"
    LIVENESS_TOO_SHORT = "LivenessTooShort"
    HOLD_TOO_LONG = "HoldTooLong"
    QUOTA_EXCEEDED = "QuotaExceeded"

    CANCELLED = "Cancelled"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    SOURCE_CHANGED = "SourceChanged"
    SOURCE_ENDED = "SourceEnded"
    TARGET_LOST = "TargetLost"
    TARGET_UNSCHEDULABLE = "TargetUnschedulable"
    PREPARE_FAILED = "PrepareFailed"
    FREEZE_FAILED = "FreezeFailed"
    REHEARSAL_FAILED = "RehearsalFailed"
    SEAL_FAILED = "SealFailed"
    AGENT_UNREACHABLE = "AgentUnreachable"
    TARGET_UNREACHABLE_AFTER_COMMIT = "TargetUnreachableAfterCommit"
    TARGET_NEVER_RAN = "TargetNeverRan"
    SOURCE_NOT_THAWED = "SourceNotThawed"
    SOURCE_NOT_RELEASED = "SourceNotReleased"

    CHECKS_PASSED = "ChecksPassed"
    PREPARING_TARGET = "PreparingTarget"
    CONTAINER_HELD = "ContainerHeld"
    FREEZING = "Freezing"
    FROZEN = "Frozen"
    REHEARSING = "Rehearsing"
    REHEARSED = "Rehearsed"
    DECIDED = "Decided"
    RUNNING = "Running"
    PAGES_OUTSTANDING = "PagesOutstanding"
    ALL_PAGES_IN = "AllPagesIn"
    PAGES_LOST = "PagesLost"
    RELEASED = "Released"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    MOVED = "Moved"
