"""Reads what a person types: workloads, durations, names. Pure; refuses with what is allowed."""

from __future__ import annotations

import re

from podferry.api.migration import WorkloadKind, WorkloadRef
from podferry.api.quantity import parse_duration

KINDS = {
    "pod": WorkloadKind.POD,
    "deployment": WorkloadKind.DEPLOYMENT,
    "statefulset": WorkloadKind.STATEFUL_SET,
    "job": WorkloadKind.JOB,
    "vmi": WorkloadKind.VIRTUAL_MACHINE_INSTANCE,
}
"""What may be typed before the slash, singular."""
SHORT = {
    "po": "pod",
    "pods": "pod",
    "deploy": "deployment",
    "deployments": "deployment",
    "sts": "statefulset",
    "statefulsets": "statefulset",
    "jobs": "job",
    "virtualmachineinstance": "vmi",
    "virtualmachineinstances": "vmi",
    "vmis": "vmi",
}
LONGEST_SECONDS = 24 * 3600.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def workload(text: str) -> WorkloadRef:
    """Return the workload that `kind/name` (or a bare pod name) means.

    Raises:
        ValueError: unknown kind or impossible name, with what is allowed.
    """
    kind, slash, name = text.rpartition("/")
    kind = kind.lower().split(".")[0] if slash else "pod"
    kind = SHORT.get(kind, kind)
    if kind not in KINDS:
        raise ValueError(f"{text!r}: unknown kind {kind!r}; known: {', '.join(KINDS)}")
    return WorkloadRef(kind=KINDS[kind], name=object_name(name, what=f"name of the {kind}"))


def object_name(text: str, *, what: str) -> str:
    """Return `text`, or raise ValueError where it cannot name an object of Kubernetes."""
    if not _NAME.fullmatch(text):
        raise ValueError(
            f"{what} {text!r}: use 1 to 253 of a-z, 0-9, '-' and '.', starting and ending with "
            "a-z or 0-9"
        )
    return text


def duration(text: str, *, least: float = 0.001, most: float = LONGEST_SECONDS) -> float:
    """Return the seconds of a duration such as `500ms`, `1.5s`, `5m` or `1m30s`.

    Raises:
        ValueError: not a duration, no unit, or outside `least` to `most` [s].
    """
    seconds = parse_duration(text)
    if not least <= seconds <= most:
        raise ValueError(f'duration "{text}" is {seconds:g} s; allowed: {least:g} s to {most:g} s')
    return seconds


def label(ref: WorkloadRef) -> str:
    """Return a workload as it is typed, such as `deployment/web`."""
    typed = {kind: word for word, kind in KINDS.items()}
    return f"{typed[ref.kind]}/{ref.name}"
