"""What `kubectl explain migration` says of each field. Texts only, by `Class.field`."""

from __future__ import annotations

DESCRIPTIONS: dict[str, str] = {
    "WorkloadRef.kind": "Kind of the workload; an owner stands for its one running pod.",
    "WorkloadRef.name": "Name of the workload, in the namespace of the Migration.",
    "MigrationSpec.workload_ref": "What to move.",
    "MigrationSpec.strategy": (
        "How to move it. Auto and Container are built; the others are refused with NotSupportedYet."
    ),
    "MigrationSpec.target_node": "Where to. Absent or empty: a node is chosen.",
    "MigrationSpec.target_selector": (
        "Labels that the chosen node must have. Not together with targetNode."
    ),
    "MigrationSpec.copy": (
        "When the memory travels. StopAndCopy: while frozen. PostCopy: after the workload runs at"
        " the target; the freeze hardly grows with the memory, but until the last page arrived"
        " (condition Paging) the loss of either node loses the workload. Auto: StopAndCopy unless"
        " only PostCopy fits maxFreezeSeconds. PreCopy is refused with NotSupportedYet."
    ),
    "MigrationSpec.transport": (
        "By which way the memory travels. Direct: node to node, encrypted. SharedFilesystem is"
        " refused with NotSupportedYet."
    ),
    "MigrationSpec.max_freeze_seconds": (
        "Budget of the freeze in seconds: above 0, at most 3600. The move is refused when the 95th"
        " percentile of the predicted freeze is above it."
    ),
    "MigrationSpec.freeze_first": (
        "Freeze the workload as soon as the move is accepted, so that it stops growing, and not"
        " only once the target is ready. The freeze is longer by the preparation, which prediction"
        " and budget include; the workload is woken up if its target does not become ready."
    ),
    "MigrationSpec.deadline_seconds": (
        "Seconds from the start after which an undecided move is rolled back; 10 to 86400."
    ),
    "MigrationSpec.ttl_seconds_after_finished": (
        "Seconds after the end, whichever it was, until this object is deleted; 0: at once. Absent:"
        " it is kept, but for the controller's limit of finished ones in a namespace. Predictions"
        " are fitted from the finished Migrations that still exist."
    ),
    "MigrationSpec.fallback": (
        "Strategies to try next, in order. Refused with NotSupportedYet unless empty."
    ),
    "MigrationSpec.cancel": (
        "Set to true to roll back; has no effect once the move is committed, but for a PostCopy"
        " that lost its pages (condition Paging, reason PagesLost). The only field of the spec that"
        " may be changed, and only to true."
    ),
    "ConditionStatus.type": "Which condition.",
    "ConditionStatus.status": "True, False or Unknown.",
    "ConditionStatus.reason": "Why, for machines.",
    "ConditionStatus.message": "Why, for people: what, where, how much, and what to do next.",
    "ConditionStatus.last_transition_time": "When the status last changed.",
    "MigrationStatus.phase": "Derived from the conditions, for printing only.",
    "MigrationStatus.observed_generation": "Generation of the spec that this status is about.",
    "MigrationStatus.conditions": "What is true of the move; the phase is derived from them.",
    "MigrationStatus.strategy": "The strategy in use.",
    "MigrationStatus.strategy_reason": "Why that strategy.",
    "MigrationStatus.copy": "The copy mode in use.",
    "MigrationStatus.copy_reason": "Why that copy mode.",
    "MigrationStatus.owner": "Who controlled the source pod at the start.",
    "MigrationStatus.source": "Where the workload came from.",
    "MigrationStatus.target": "Where the workload goes.",
    "MigrationStatus.queued": (
        "Set while it waits because as many moves as are allowed are under way on its source or"
        " target node; nothing is touched before it is its turn."
    ),
    "Queued.source_node": "Node that it will leave.",
    "Queued.target_node": "Node that it would go to now; looked at again when it is its turn.",
    "Queued.position": "1: the next to start.",
    "MigrationStatus.attempt": "Number of the current attempt, from 1.",
    "MigrationStatus.freeze_epoch": "Counts the freezes of this Migration.",
    "MigrationStatus.decision": (
        "Written once, by compare-and-swap; only Reverted may follow Committed, when the target is"
        " proven never to have run, or a PostCopy that lost its pages is cancelled."
    ),
    "MigrationStatus.decided_at": "When the decision was written.",
    "MigrationStatus.source_detached": "Whether the owner gave the source pod up.",
    "MigrationStatus.detached_labels": "Labels taken off the source pod, to be given back.",
    "MigrationStatus.frozen_at": "When the source stopped running.",
    "MigrationStatus.resumed_at": "When the target began to run.",
    "MigrationStatus.prediction": "What was expected before the freeze.",
    "MigrationStatus.measured": "What it took.",
    "MigrationStatus.attempts": "Every attempt and how it ended.",
    "Prediction.freeze_p50_seconds": "Median of the predicted freeze in seconds.",
    "Prediction.freeze_p95_seconds": "95th percentile of the predicted freeze in seconds.",
    "Prediction.total_seconds": "Predicted seconds from the start to the end.",
    "Prediction.bytes": "Memory that has to travel, in bytes.",
    "Measured.freeze_seconds": "Seconds from frozen to running again.",
    "Measured.total_seconds": "Seconds from the start to the end.",
    "Measured.bytes": "Bytes that travelled.",
    "Measured.tcp_connections_closed": "Connections that the clients had to make anew.",
}
