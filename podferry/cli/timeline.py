"""The story of one Migration in words and numbers. Pure: objects in, rows and lines out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from podferry.api.reasons import TERMINAL, Condition, Phase
from podferry.cli import values
from podferry.cli.follow import phase_of

MIB = 1 << 20
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the summary: what it is, what it was, what was expected of it."""

    name: str
    value: str
    note: str = ""


def workload(migration: Object) -> str:
    """The workload as it was typed, such as `deployment/web`."""
    ref = (migration.get("spec") or {}).get("workloadRef") or {}
    kinds = {kind.value: word for word, kind in values.KINDS.items()}
    kind = str(ref.get("kind", "?"))
    return f"{kinds.get(kind, kind)}/{ref.get('name', '?')}"


def route(migration: Object) -> tuple[str, str]:
    """Names of the nodes, from and to; `?` where not known yet."""
    status = migration.get("status") or {}
    wanted = (migration.get("spec") or {}).get("targetNode")
    source = (status.get("source") or {}).get("node") or "?"
    target = (status.get("target") or {}).get("node") or wanted or "?"
    return str(source), str(target)


def header(migration: Object) -> str:
    """Namespace, workload, route and name of the Migration in one line."""
    metadata = migration["metadata"]
    source, target = route(migration)
    place = f"{metadata.get('namespace', '?')}/{workload(migration)}"
    return f"{place}   {source} -> {target}   {metadata['name']}"


def how(migration: Object) -> str:
    """Strategy, copy mode and budgets in one line, with the reasons the controller gave."""
    spec, status = migration.get("spec") or {}, migration.get("status") or {}
    words = []
    for name in ("strategy", "copy"):
        chosen = status.get(name) or spec.get(name) or "Auto"
        reason = status.get(f"{name}Reason")
        words.append(f"{name} {chosen}" + (f" ({reason})" if reason else ""))
    budget = spec.get("maxFreezeSeconds")
    words.append(f"freeze budget {seconds(budget)}" if budget else "no freeze budget")
    words.append(f"deadline {seconds(spec.get('deadlineSeconds') or 300)}")
    return " · ".join(words)


def message(migration: Object) -> str:
    """The most telling words of the status for the phase that it is in."""
    status = migration.get("status") or {}
    phase = phase_of(migration)
    if phase in TERMINAL and phase != Phase.SUCCEEDED:
        return why(migration)
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    wanted = _TELLING.get(phase, Condition.PROGRESSING)
    for name in (wanted, Condition.PROGRESSING):
        text = str((conditions.get(name) or {}).get("message") or "")
        if text:
            return text
    return ""


_TELLING: dict[str, Condition] = {
    Phase.TARGET_READY: Condition.TARGET_READY,
    Phase.COMMITTED: Condition.COMMITTED,
    Phase.PAGING: Condition.PAGING,
    Phase.SUCCEEDED: Condition.SUCCEEDED,
}


def why(migration: Object) -> str:
    """Reason and message of an end that is no success."""
    status = migration.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    for name in (Condition.SUCCEEDED, Condition.ACCEPTED, Condition.PROGRESSING):
        found = conditions.get(name)
        if found and found.get("status") == "False":
            return _joined(found.get("reason"), found.get("message"))
    told = _joined(status.get("decisionReason"), status.get("decisionMessage"))
    return told or "the controller gave no reason"


def _joined(reason: object, text: object) -> str:
    return ": ".join(str(part) for part in (reason, text) if part)


def facts(migration: Object) -> list[Fact]:
    """What was measured beside what was predicted; only what is known."""
    status, spec = migration.get("status") or {}, migration.get("spec") or {}
    measured, predicted = status.get("measured") or {}, status.get("prediction") or {}
    found = []
    source = predicted.get("source", "")
    freeze = measured.get("freezeSeconds")
    if freeze or predicted:
        found.append(Fact("freeze", seconds(freeze), _freeze_note(spec, freeze, predicted)))
    if measured.get("totalSeconds") or predicted:
        note = f"predicted {seconds(predicted['totalSeconds'])}" if predicted else ""
        found.append(Fact("total", seconds(measured.get("totalSeconds")), note))
    if measured.get("bytes") or predicted:
        note = f"predicted {size(predicted['bytes'])}" if predicted else ""
        found.append(Fact("moved", size(measured.get("bytes")), note))
    if source:
        found.append(Fact("prediction", str(source)))
    for name in ("prepare", "dump", "restore"):
        if measured.get(f"{name}Seconds"):
            found.append(Fact(name, seconds(measured[f"{name}Seconds"])))
    if "tcpConnectionsClosed" in measured:
        found.append(Fact("connections", f"{measured['tcpConnectionsClosed']} closed"))
    pods = [(status.get(end) or {}).get("pod") for end in ("source", "target")]
    if all(pods):
        found.append(Fact("pod", f"{pods[0]} -> {pods[1]}"))
    return found


def _freeze_note(spec: Object, freeze: float | None, predicted: Object) -> str:
    words = []
    if predicted:
        median, high = predicted["freezeP50Seconds"], predicted["freezeP95Seconds"]
        words.append(f"predicted {seconds(median)}, 95 % below {seconds(high)}")
    budget = spec.get("maxFreezeSeconds")
    if budget and freeze:
        ratio = freeze / budget
        words.append("within budget" if ratio <= 1 else f"{ratio:.1f}x over budget")
    return "; ".join(words)


def phases(migration: Object) -> list[tuple[str, float]]:
    """Name and seconds of each step that the controller measured."""
    measured = (migration.get("status") or {}).get("measured") or {}
    return [(str(p["name"]), float(p["seconds"])) for p in measured.get("phases") or []]


def line(migration: Object, since_seconds: float) -> str:
    """One line for the phase that was just entered, as printed into a pipe."""
    text = f"+{since_seconds:7.3f} s  {phase_of(migration):<15} {message(migration)}"
    return text.rstrip()


def summary(migration: Object) -> list[str]:
    """The end in lines: verdict first, then measured beside predicted."""
    source, target = route(migration)
    lines = [f"{phase_of(migration)}  {workload(migration)}  {source} -> {target}"]
    if phase_of(migration) != Phase.SUCCEEDED:
        lines.append(f"  {'reason':<12}{why(migration)}")
    for fact in facts(migration):
        lines.append(f"  {fact.name:<12}{fact.value:<14} {fact.note}".rstrip())
    return lines


def seconds(value: float | None) -> str:
    """A time with its unit, to the millisecond below ten seconds; `-` where not known."""
    if value is None or value == 0:
        return "-"
    if value < 10:
        return f"{value:.3f} s"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def size(value: int | None) -> str:
    """Bytes in MiB; `-` where not known."""
    return f"{value / MIB:.1f} MiB" if value else "-"


def age(migration: Object, now: datetime) -> str:
    """How long ago the object was made, as kubectl says it."""
    made = datetime.fromisoformat(migration["metadata"]["creationTimestamp"])
    past = max(0, int((now - made).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if past >= 2 * length:
            return f"{past // length}{unit}"
    return f"{past}s"
