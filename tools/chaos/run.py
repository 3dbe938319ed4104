"""One run: a world, its faults, and what was found at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from podferry.api.migration import Decision
from podferry.api.reasons import Condition
from podferry.controller.core.status import condition
from podferry.wire import names

from .world import World

LIMIT_SECONDS = 900.0
"""Virtual time after which a Migration must be over, or wait for a person and say so."""
PATIENCE_SECONDS = 300.0
"""By then every fault is over; a Migration that says that it waits for a person goes on waiting."""
SETTLE_SECONDS = 45.0
PERSON = (Condition.RESUMED, Condition.PROGRESSING)


@dataclass(frozen=True)
class Report:
    """What a run showed."""

    seed: int
    end: str
    freeze_seconds: float
    virtual_seconds: float
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    left: tuple[str, ...]
    other: tuple[str, ...]
    injected: tuple[str, ...]
    waits_for: str = ""

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.doubled or self.left or self.other)


def run(
    world: World, inject: Callable[[World], list[str]], settle_seconds: float = SETTLE_SECONDS
) -> Report:
    """Inject, run to the end, let things settle (longer than any fault lasts), judge."""
    injected = inject(world)
    sim = world.sim
    ended = sim.run(world.over, PATIENCE_SECONDS)
    if not ended and not waits_for(world):
        ended = sim.run(world.over, LIMIT_SECONDS)
    took = sim.now
    sim.run(lambda: False, sim.now + settle_seconds)
    waits = "" if ended else waits_for(world)
    if not ended and not waits:
        status = world.status
        world.violate(
            f"OTHER no end after {LIMIT_SECONDS:.0f} s and nothing says what to do:"
            f" {status.phase if status else '?'} {status.decision if status else ''}"
        )
    left = leftovers(world) if ended else []
    if ended:
        _judge_end(world)
    found = [*world.violations, *world.api.violations]
    return Report(
        world.seed, world.status.phase if world.status else "gone", world.longest_freeze, took,
        lost=tuple(item for item in found if " I2 " in item),
        doubled=tuple(item for item in found if " I1 " in item or "I3" in item),
        left=tuple(left), other=tuple(item for item in found if " OTHER " in item),
        injected=tuple(injected), waits_for=waits,
    )  # fmt: skip


def waits_for(world: World) -> str:
    """The condition that tells a person what to do, empty if none does."""
    status = world.status
    if status is None:
        return ""
    resumed = condition(status, Condition.RESUMED)
    if status.decision is Decision.COMMITTED and resumed and resumed.status == "False":
        return f"{resumed.reason}: {resumed.message}"
    pages = condition(status, Condition.PAGING)
    if pages is not None and pages.reason in ("PagesLost", "EndedWhilePaging", "AgentUnreachable"):
        return f"{pages.reason}: {pages.message}"
    progress = condition(status, Condition.PROGRESSING)
    known = ("SourceNotThawed", "AgentUnreachable", "PagesLost", "TargetNotCleaned")
    if progress is not None and progress.reason in known:
        return f"{progress.reason}: {progress.message}"
    return ""


def _judge_end(world: World) -> None:
    runs = [item for item in world.containers() if item.runs and item.memory]
    runs = [item for item in runs if item.memory and item.memory.whole]
    excused = world._excused()
    if not runs and not excused:
        world.violate("I2 nothing runs at the end")
    for item in world.containers():
        if item.alive and item.frozen:
            world.violate(f"OTHER {item.id} is frozen at the end")
    known = {pod["metadata"]["uid"] for pod in world.api.pods.values()}
    for item in world.containers():
        if item.alive and item.pod not in known:
            world.violate(f"OTHER {item.id} runs without a pod at the end")
    wanted = world.api.owners.get("owner")
    if wanted and world.settings.get("user") == "none" and int(wanted["spec"]["replicas"]) == 1:
        active = [pod for pod in world.api.pods.values()]
        if len(active) != 1 and not excused:
            world.violate(f"OTHER {len(active)} pods instead of 1 at the end")
    owner = world.api.owners.get("owner") or {}
    if owner.get("kind") == "Job" and owner.get("failed") and not world.excuses:
        world.violate("OTHER the Job counts a failed pod")


def leftovers(world: World) -> list[str]:
    """What a Migration that is over must not leave."""
    found = []
    known = {pod["metadata"]["uid"] for pod in world.api.pods.values()}
    for pod in world.api.pods.values():
        notes = pod["metadata"].get("annotations") or {}
        name = pod["metadata"]["name"]
        if names.ANNOTATION_DETACHED in notes:
            found.append(f"pod {name} is still detached")
        if "rehearsal" in name:
            found.append(f"pod {name}")
        if pod["metadata"].get("deletionTimestamp"):
            found.append(f"pod {name} is still being deleted")
    for node in world.nodes.values():
        found += [f"{node.name} {key}" for key in node.run if key.startswith("/run/podferry/hold/")]
        found += [
            f"{node.name} shield of {key.partition('/')[2]}"
            for key in node.run
            if key.startswith("shield/")
        ]
        found += [
            f"{node.name} {key}"
            for key in node.disk
            if key.endswith(("/images", "/pages"))
            or ("/blocked/" in key and key.rpartition("/")[2] in known)
        ]
        for name in ("deadman", "criu", "page-server", "lazy", "restore"):
            if node.lives(name):
                found.append(f"{node.name} process {name}")
    return found
