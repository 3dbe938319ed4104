"""The matrix: which part is killed in which step of which kind of move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

STEPS = (
    "target.Prepared", "source.Prepared", "source.Frozen", "target.Rehearsed",
    "source.Sealed", "target.Resumed", "source.Redirected", "source.Released", "target.Forgotten",
)  # fmt: skip
"""Stages of the two agents in the order in which they are ordered; an agent halts before one."""
ALWAYS_THERE = (
    "leader", "source agent", "target agent", "containerd of the source",
    "containerd of the target", "kubelet of the source", "kubelet of the target",
)  # fmt: skip
HELD = ("source.Frozen", "target.Rehearsed")
"""Steps in which the wrapper holds the target's container."""
WORKS = ("source.Frozen", "target.Rehearsed")
"""Stages in which criu works: it dumps, it restores. Killed inside them, not before them."""
PAGING = ("source.Sealed", "target.Resumed", "source.Redirected")
"""Steps of a PostCopy in which one criu serves pages and another one fetches them."""


@dataclass(frozen=True)
class Cell:
    """One kill. `again`: what is started in its place is killed as well."""

    victim: str
    step: str
    owner: str = "Deployment"
    copy: str = "StopAndCopy"
    again: bool = False

    def __str__(self) -> str:
        more = [
            word for word in (self.owner, self.copy) if word not in ("Deployment", "StopAndCopy")
        ]
        twice = " twice" if self.again else ""
        return " ".join([self.victim + twice, "at", self.step, *more])

    @property
    def keeps_name(self) -> bool:
        """Whether the pod keeps its name, so that it is rehearsed under another one."""
        return self.owner in ("StatefulSet", "Pod")

    @property
    def inside(self) -> bool:
        """Whether the kill falls into the stage's work and not before it."""
        final = self.keeps_name and self.step == "target.Resumed"
        return (
            self.victim == "criu" and self.copy == "StopAndCopy" and (self.step in WORKS or final)
        )


def _each(owner: str) -> Iterator[Cell]:
    final = () if owner == "Deployment" else ("target.Resumed",)
    for step in STEPS:
        for victim in ALWAYS_THERE:
            yield Cell(victim, step, owner)
        if step in (*HELD, *final):
            yield Cell("wrapper", step, owner)
        if step in (*WORKS, *final):
            yield Cell("criu", step, owner)


def every() -> list[Cell]:
    """All cells; those of one owner follow each other, because they share a workload."""
    found = list(_each("Deployment"))
    for victim in ALWAYS_THERE:
        found += [Cell(victim, step, again=True) for step in ("target.Rehearsed", "target.Resumed")]
    for victim in ("criu", "lazy-page daemon"):
        found += [Cell(victim, step, copy="PostCopy") for step in PAGING]
    found += _each("StatefulSet")
    found += [cell for cell in _each("Pod") if cell.step in ("source.Sealed", "target.Resumed")]
    return found


ALWAYS = (
    Cell("leader", "target.Resumed"),
    Cell("source agent", "source.Frozen"),
    Cell("target agent", "target.Rehearsed"),
    Cell("wrapper", "source.Frozen"),
    Cell("criu", "source.Frozen"),
    Cell("containerd of the target", "source.Sealed"),
    Cell("kubelet of the target", "target.Rehearsed"),
    Cell("criu", "target.Resumed", copy="PostCopy"),
    Cell("target agent", "target.Resumed", "StatefulSet"),
)
"""Those that `make test` runs."""
