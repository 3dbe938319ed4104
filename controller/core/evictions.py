"""What becomes of an eviction of a pod that opted in: a move, a wait, or the eviction. Pure.

Owns the rule by which a drain gets a move instead of an end and is never held for ever: each pod
has so many tries, and a Migration that neither freezes nor ends holds for a bounded time only.
Whether a node has room is not judged here: that is the leader's, and what it refuses is evicted at
the next try. Never decides how something moves. See docs/decisions/0015.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from podferry.api.migration import CopyMode, Decision, Migration, WorkloadKind
from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core.status import TERMINAL_VALUES, condition, parse
from podferry.strategies.container import preflight
from podferry.strategies.container.finding import RawPod, title
from podferry.wire import names

TRIES = 2
"""Moves that are tried for one pod within RECENT_SECONDS before an eviction is let through."""
BACK_OFF_SECONDS = 10.0
"""Between a roll back and the next try [s]."""
RECENT_SECONDS = 600.0
"""So long an end counts against a further try [s]; who drains again later gets a move again."""
STUCK_SECONDS = 3600.0
"""A Migration that has frozen nothing so long after its creation holds no eviction [s]."""
MOVED_SECONDS = 120.0
"""So long after a move an eviction by name is taken for one of the pod that was moved [s]: who
drains names a pod and asks again every few seconds, and its replacement may have that name."""
REQUESTED_BY = "eviction"
_SAYS_NOTHING = (Reason.ALREADY_MIGRATING, Reason.DISRUPTION_BUDGET)
"""Ends for these reasons say nothing about a further try."""


class Kind(StrEnum):
    """What to answer."""

    ALLOW = "allow"
    HOLD = "hold"
    CREATE = "create"
    GONE = "gone"
    """What was to be evicted has moved; another pod has its name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. ALLOW: `message` is a warning, empty for none; CREATE: the Migration's name."""

    kind: Kind
    message: str = ""
    migration: str = ""


def decide(
    pod: RawPod,
    migrations: Iterable[Migration],
    *,
    now: datetime,
    uid: str = "",
    namespace: dict[str, Any] | None = None,
    node: dict[str, Any] | None = None,
) -> Verdict:
    """Say what should become of an eviction of this pod.

    Args:
        pod: the raw pod that has the name now; one that did not opt in is nobody's here.
        migrations: those of its namespace, read from the quorum.
        now: the time, aware, UTC.
        uid: the pod that the eviction means, if it says so.
        namespace: the raw namespace, None if it is unknown.
        node: the raw node of the pod, None if it is unknown.
    """
    if not opted_in(pod):
        return Verdict(Kind.ALLOW)
    found = list(migrations)
    if uid and uid != _uid(pod):
        return _another(pod, found, uid)
    for migration in found:
        if _over(migration) or not _concerns(pod, migration):
            continue
        if _stuck(migration, now):
            why = f"Migration {migration.name} has frozen nothing for {STUCK_SECONDS:.0f} s or more"
            return Verdict(Kind.ALLOW, _let(pod, why))
        return Verdict(Kind.HOLD, _moving(pod, migration, now))
    mover = _came_by(pod, found, now)
    if mover is not None and _open(node):
        return Verdict(Kind.GONE, _gone(pod, mover))
    return _from_here(pod, found, namespace, now)


def opted_in(pod: RawPod) -> bool:
    """Whether evictions of this pod are ours to judge."""
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return bool(labels.get(names.LABEL_MIGRATABLE) == "true")


def manifest(pod: RawPod, name: str, asked_by: str) -> dict[str, Any]:
    """Return the Migration that a CREATE stands for; `asked_by`: who asked for the eviction.

    StopAndCopy, because who drained a node turns it off once its pods are gone, and PostCopy may
    need the source's memory for longer than its pod's name is there.
    """
    return {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": "Migration",
        "metadata": {
            "name": name,
            "namespace": pod["metadata"]["namespace"],
            "labels": {names.LABEL_REQUESTED_BY: REQUESTED_BY},
            "annotations": {names.ANNOTATION_ASKED_BY: asked_by},
        },
        "spec": {
            "workloadRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
            "copy": CopyMode.STOP_AND_COPY.value,
        },
    }


def _another(pod: RawPod, found: Sequence[Migration], uid: str) -> Verdict:
    """Another pod was meant: the API server says so itself, or its move is over."""
    for migration in found:
        source = migration.status.source
        if source is not None and source.uid == uid and _phase(migration) == Phase.SUCCEEDED:
            return Verdict(Kind.GONE, _gone(pod, migration))
    return Verdict(Kind.ALLOW)


def _concerns(pod: RawPod, migration: Migration) -> bool:
    """Whether the pod is what this Migration moves, or what it moves it to."""
    status, reference = migration.status, migration.spec.workload_ref
    if status.source is None:
        same = (reference.kind, reference.name) == (WorkloadKind.POD, pod["metadata"]["name"])
        return same or migration.name in _names(pod, (migration,))
    return status.source.uid == _uid(pod) or _restores(pod, migration)


def _restores(pod: RawPod, migration: Migration) -> bool:
    notes = pod["metadata"].get("annotations") or {}
    return bool(str(notes.get(names.ANNOTATION_RESTORE, "")).partition(".")[0] == migration.uid)


def _stuck(migration: Migration, now: datetime) -> bool:
    """Nothing is frozen for it, nothing is decided, and it has had its time."""
    status = migration.status
    begun = status.freeze_epoch > 0 or status.decision is not Decision.UNDECIDED
    return not begun and _since(migration.created_at, now) > STUCK_SECONDS


def _came_by(pod: RawPod, found: Sequence[Migration], now: datetime) -> Migration | None:
    """The move that brought this pod here under the name of its source, if it is just over."""
    for migration in found:
        source = migration.status.source
        kept = source is not None and source.pod == pod["metadata"]["name"]
        age = _since(migration.status.completed_at, now)
        if kept and _phase(migration) == Phase.SUCCEEDED and age < MOVED_SECONDS:
            target = migration.status.target
            if _restores(pod, migration) or (target is not None and target.uid == _uid(pod)):
                return migration
    return None


def _open(node: dict[str, Any] | None) -> bool:
    """Whether nobody empties this node: it is neither cordoned nor tainted."""
    spec = (node or {}).get("spec") or {}
    return node is not None and not spec.get("unschedulable") and not spec.get("taints")


def _from_here(
    pod: RawPod, found: Sequence[Migration], namespace: dict[str, Any] | None, now: datetime
) -> Verdict:
    """Nothing moves it now: begin a move, or let the eviction through and say why."""
    blockers = [*preflight.check_namespace(namespace), *preflight.check_pod(pod)]
    if blockers:
        first = blockers[0]
        quiet = first.reason is Reason.NOT_RUNNING  # no memory that could be lost
        return Verdict(Kind.ALLOW, "" if quiet else _let(pod, f"{first.reason}: {first.message}"))
    mine = _names(pod, found)
    ended = [one for one in found if one.name in mine and _counts(one, now)]
    failed = [one for one in ended if _phase(one) != Phase.ROLLED_BACK]
    if failed or len(ended) >= TRIES:
        last = max(failed or ended, key=lambda one: one.status.completed_at)
        return Verdict(Kind.ALLOW, _let(pod, _ended(last)))
    if ended:
        wait = BACK_OFF_SECONDS - _since(ended[0].status.completed_at, now)
        if wait > 0:
            text = f"{title(pod)} is not evicted: {_ended(ended[0])}; tried again in {wait:.0f} s"
            return Verdict(Kind.HOLD, text)
    name = _next(pod, mine)
    text = (
        f"{title(pod)} is not evicted, it is moved to another node with its memory by Migration"
        f" {name}; ask again in a few seconds, it goes away from here once it runs there"
    )
    return Verdict(Kind.CREATE, text, name)


def _counts(migration: Migration, now: datetime) -> bool:
    """Whether the end of this Migration speaks against another try."""
    recent = _since(migration.status.completed_at, now) < RECENT_SECONDS
    return _over(migration) and recent and _reason(migration) not in _SAYS_NOTHING


def _names(pod: RawPod, found: Iterable[Migration]) -> set[str]:
    """Names of the Migrations that evictions of this very pod made."""
    first = _first_name(pod)
    return {one.name for one in found if one.name == first or one.name.startswith(f"{first}-")}


def _next(pod: RawPod, mine: set[str]) -> str:
    """The same for whoever sees the same Migrations: creating it twice is one Migration."""
    first = _first_name(pod)
    if not mine:
        return first
    numbers = [name.removeprefix(first).removeprefix("-") for name in mine]
    return f"{first}-{max([1, *(int(n) for n in numbers if n.isdecimal())]) + 1}"


def _first_name(pod: RawPod) -> str:
    return f"evict-{pod['metadata']['name'][:40].rstrip('-.')}-{_uid(pod)[:8]}"


def _moving(pod: RawPod, migration: Migration, now: datetime) -> str:
    """What is moving where, for how long, and what to do."""
    status = migration.status
    ends = ""
    if status.source is not None and status.target is not None:
        ends = f" from {status.source.node} to {status.target.node}"
    since = _since(migration.created_at, now)
    text = (
        f"{title(pod)} is not evicted, it is being moved{ends}: Migration {migration.name},"
        f" {_phase(migration) or Phase.PENDING} ({since:.0f} s since it was asked for)"
    )
    if status.prediction is not None:
        text += f", predicted to take {status.prediction.total_seconds:.0f} s"
    said = condition(status, Condition.PROGRESSING)
    if said is not None and status.source is None:
        text += f", {said.reason}: {said.message}"
    return f"{text}; ask again in a few seconds"


def _gone(pod: RawPod, migration: Migration) -> str:
    target = migration.status.target
    where = f" to {target.node}" if target is not None and target.node else ""
    return (
        f"what was to be evicted was moved{where} by Migration {migration.name} and is gone; the"
        f" {title(pod)} that has its name now is its replacement. To evict that too, cordon its"
        f" node first, or ask again {MOVED_SECONDS:.0f} s after the move"
    )


def _let(pod: RawPod, why: str) -> str:
    return f"podferry does not move {title(pod)}, so it is evicted and its memory is lost: {why}"


def _ended(migration: Migration) -> str:
    said = condition(migration.status, Condition.SUCCEEDED)
    why = f" ({said.reason}: {said.message})" if said is not None else ""
    return f"Migration {migration.name} ended {_phase(migration)}{why}"


def _reason(migration: Migration) -> str:
    said = condition(migration.status, Condition.SUCCEEDED)
    return said.reason if said is not None else ""


def _over(migration: Migration) -> bool:
    return _phase(migration) in TERMINAL_VALUES


def _phase(migration: Migration) -> str:
    return migration.status.phase


def _since(text: str, now: datetime) -> float:
    """Seconds between a stamp and now, whichever is later: clocks of replicas differ a little."""
    return abs((now - parse(text)).total_seconds()) if text else 0.0


def _uid(pod: RawPod) -> str:
    return str(pod["metadata"].get("uid") or "")
