"""Killing one part of podferry, or what it stands on, in one step of a move."""

from __future__ import annotations

from collections.abc import Callable

from podferry.api.migration import CopyMode, Decision
from podferry.wire.stages import Role

from .agent import kill_agent
from .clock import Work
from .kubelet import restart_containerd, restart_kubelet
from .node import Node
from .world import UID, Excuse, World

STEPS = (
    "prepare", "hold", "freeze", "rehearse", "seal",
    "decide", "resume", "redirect", "release", "end",
)  # fmt: skip
_ORDERS = {
    "prepare": ("target", "Prepared"), "hold": ("source", "Prepared"),
    "freeze": ("source", "Frozen"), "rehearse": ("target", "Rehearsed"),
    "seal": ("source", "Sealed"), "resume": ("target", "Resumed"),
    "redirect": ("source", "Redirected"), "release": ("source", "Released"),
    "end": ("target", "Forgotten"),
}  # fmt: skip
KINDS = ("Deployment", "StatefulSet", "Job", "bare")
COPIES = (CopyMode.STOP_AND_COPY.value, CopyMode.POST_COPY.value)
TARGET_FOLDER = f"/var/lib/podferry/attempts/{UID}.1/target"
SOURCE_FOLDER = f"/var/lib/podferry/attempts/{UID}.1/source"
WINDOW_SECONDS = 1.5
"""How long a fault waits in its step for a victim that is not there yet."""


def reached(world: World, step: str) -> bool:
    """Whether a move has come to a step."""
    if step == "decide":
        status = world.status
        return status is not None and status.decision is Decision.COMMITTED
    role, stage = _ORDERS[step]
    return any((item[0], item[1]) == (role, stage) for item in world.orders)


def leader(world: World) -> bool:
    """The replica that leads; kubelet starts it again."""
    name = world.leading()
    _, procs = world.leaders[name]
    there = any(proc.alive for proc in procs)
    for proc in procs:
        world.sim.kill(proc)
    world.sim.later(3.0, lambda: world.start_leader(name))
    return there


def wrapper(world: World) -> bool:
    """A `create` of the target that waits or restores."""
    names = [name for name in world.b.procs if name.startswith("create/") and world.b.lives(name)]
    if names:
        world.b.kill(names[-1])
    return bool(names)


def criu(world: World) -> bool:
    """The source's dump or page service, else the target's restore."""
    if world.a.lives("criu"):
        _excuse_paging(world)
        world.a.kill("criu")
        source = world.a.run.get("agent")
        if source is not None:
            source.handlers[Role.SOURCE].criu_killed(SOURCE_FOLDER)
        return True
    return world.b.kill("restore")


def lazy(world: World) -> bool:
    """criu lazy-pages at the target."""
    if not world.b.lives("lazy"):
        return False
    _excuse_paging(world)
    world.b.kill("lazy")
    world.b.disk.setdefault(f"{TARGET_FOLDER}/lazy.rc", 137)
    return True


def paging(world: World) -> bool:
    """PostCopy's declared window: the target may run and not all pages are in."""
    disk = world.b.disk
    lazily = world.copy == CopyMode.POST_COPY.value
    return lazily and f"{TARGET_FOLDER}/RESUMING" in disk and f"{TARGET_FOLDER}/lazy.rc" not in disk


def _excuse_paging(world: World) -> None:
    if paging(world):
        world.excuses.append(Excuse("PostCopy between the resume and the last page (design I2)"))


def _seconds(world: World) -> float:
    return 0.5 + 5.0 * world.sim.rng.random()


VICTIMS: dict[str, Callable[[World], bool]] = {
    "controller leader": leader,
    "source agent": lambda world: kill_agent(world.a, _seconds(world)),
    "target agent": lambda world: kill_agent(world.b, _seconds(world)),
    "wrapper": wrapper,
    "criu": criu,
    "lazy-page daemon": lazy,
    "containerd of the source": lambda world: restart_containerd(world.a, _seconds(world)),
    "containerd of the target": lambda world: restart_containerd(world.b, _seconds(world)),
    "kubelet of the source": lambda world: restart_kubelet(world.a, _seconds(world)),
    "kubelet of the target": lambda world: restart_kubelet(world.b, _seconds(world)),
}


def strike(world: World, step: str, victim: str, delay: float, hits: list[str]) -> None:
    """Kill a victim `delay` [s] into a step, as soon as it lives, for a short while."""

    def work() -> Work:
        end = world.sim.now + WINDOW_SECONDS
        while world.sim.now < end and not world.over():
            if VICTIMS[victim](world):
                world.say(f"KILLED {victim} in {step}")
                hits.append(f"{victim} in {step}")
                return
            if _left(world, step):
                return
            yield 0.002

    world.when(lambda: reached(world, step), lambda: world.sim.spawn("strike", work()), delay)


def _left(world: World, step: str) -> bool:
    after = STEPS[STEPS.index(step) + 1 :]
    return any(reached(world, later) for later in after)


def nodes(world: World) -> dict[str, Node]:
    """Source and target by their part."""
    return {"source": world.a, "target": world.b}
