"""`podferry demo`: two services outgrow a node, once with podferry and once without.

Owns the course of the two scenes and what is measured in them; `demo_verdict` judges it. The scene
without podferry keeps the same policy in DryRun, so that what it would have done is seen as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podferry.api.reasons import TERMINAL
from podferry.cli import demo_scene, demo_verdict, demo_world, records
from podferry.cli.demo_scene import AWAY, HOME, Eviction
from podferry.cli.demo_world import Client, DemoError, World

Say = Callable[[str], None]
INTERVAL_SECONDS = 0.02
"""Between two requests of a client."""
AFTER_SECONDS = 6.0
"""So long a scene goes on after its eviction, for the clients to find the new pod."""
LATE_SECONDS = 45.0
"""So much longer than the growth a scene may take to end."""
RECORDS = Path("build")


@dataclass(slots=True)
class Seen:
    """What one scene led to; times are seconds from the moment at which both services ran."""

    mode: str
    capacity: float = 0.0
    """Of node-a [MiB]."""
    threshold: float = 0.0
    """kubelet's [MiB]."""
    least: float = 0.0
    """The least that kubelet called available on node-a [MiB]."""
    decided: float | None = None
    """When the policy asked for its first move, or would have."""
    decision: dict[str, Any] = field(default_factory=dict)
    evicted: float | None = None
    evictions: tuple[Eviction, ...] = ()
    oom_kills: tuple[str, ...] = ()
    moves: tuple[dict[str, Any], ...] = ()
    clients: dict[str, list[str]] = field(default_factory=dict)
    """The records of each service's client."""


def run(name: str, say: Say) -> demo_verdict.Report:
    """Play both scenes in the lab of that name and compare them."""
    world = demo_world.start_lab(name, say)
    demo_world.install(world, say)
    seen = {}
    for mode in ("Act", "DryRun"):
        say("scene with podferry" if mode == "Act" else "scene without it: its policy is in DryRun")
        seen[mode] = play(world, mode, say)
    try:
        sides = [_side(seen[mode]) for mode in ("Act", "DryRun")]
    except ValueError as error:
        raise DemoError(f"the clients' records in {RECORDS}/: {error}") from None
    return demo_verdict.judge(*sides)


def play(world: World, mode: str, say: Say) -> Seen:
    """Let both services grow on node-a under the policy in `mode`, and return what happened."""
    demo_scene.clear(world)
    demo_scene.calm(world, say)
    seen = Seen(mode, threshold=demo_scene.threshold(world, HOME))
    seen.capacity = demo_scene.capacity(world, HOME)
    seen.least = demo_scene.available(world, HOME)
    sizes = demo_scene.starts(seen.least, seen.threshold)
    demo_scene.start(world, sizes)
    began = time.monotonic()
    demo_scene.apply(world, [demo_scene.policy(mode)])
    told = ", ".join(
        f"{name} holds {size:.0f} MiB and grows {demo_scene.GROWTH[name]:g} MiB/s"
        for name, size in sizes.items()
    )
    say(f"both run on {HOME}: {told}")
    with ExitStack() as stack:
        clients = {}
        for service in sizes:
            path = RECORDS / f"demo-{service}-{mode.lower()}.txt"
            clients[service] = Client(world, path, service, INTERVAL_SECONDS)
            stack.callback(clients[service].stop)
        _watch(world, seen, began, say)
        for service, client in clients.items():
            seen.clients[service] = client.stop()
    return seen


def _watch(world: World, seen: Seen, began: float, say: Say) -> None:
    """Look once a second until the scene is over."""
    while not _over(seen, now := time.monotonic() - began):
        _look(world, seen, now, say)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - began - now)))
    _look(world, seen, time.monotonic() - began, say)


def _over(seen: Seen, now: float) -> bool:
    """With podferry: all is grown and no move is under way. Without: some time after an eviction.

    Raises:
        DemoError: a move is still under way long after that.
    """
    late = now > demo_scene.GROW_SECONDS + LATE_SECONDS
    if seen.mode != "Act":
        return late or (seen.evicted is not None and now > seen.evicted + AFTER_SECONDS)
    moving = any(phase(each) not in TERMINAL for each in seen.moves)
    if late and moving:
        raise DemoError(f"the scene is not over after {now:.0f} s: a move is still under way")
    return now > demo_scene.GROW_SECONDS and not moving


def _look(world: World, seen: Seen, now: float, say: Say) -> None:
    left = demo_scene.available(world, HOME)
    if int(left / 100) < int(seen.least / 100):
        say(f"{HOME}: {left:.0f} MiB available, kubelet evicts below {seen.threshold:.0f} MiB")
    seen.least = min(seen.least, left)
    pods = demo_scene.listed(world, "pods")
    seen.evictions = tuple(demo_scene.evictions(pods))
    seen.oom_kills = tuple(demo_scene.oom_kills(pods).values())
    if seen.evictions and seen.evicted is None:
        seen.evicted = now
        say(f"kubelet evicted {seen.evictions[0].service}: its memory and its count are lost")
    before = {each["metadata"]["name"]: phase(each) for each in seen.moves}
    seen.moves = tuple(demo_scene.listed(world, "migrations"))
    for move in seen.moves:
        name, now_in = move["metadata"]["name"], phase(move)
        if before.get(name) != now_in:
            say(f"migration {name}: {now_in}")
    found = demo_scene.decision(world) if seen.decided is None else {}
    if found.get("action") in ("Move", "WouldMove"):
        seen.decided, seen.decision = now, found
        what, where = found.get("pod"), found.get("target")
        say(f"podferry {found['action']}: {what} to {where}: {found.get('why')}")


def phase(move: dict[str, Any]) -> str:
    """Phase of a Migration; `asked` before it has one."""
    return str((move.get("status") or {}).get("phase") or "asked")


def _side(seen: Seen) -> demo_verdict.Side:
    parsed = {name: records.parse(lines) for name, lines in seen.clients.items()}
    return demo_verdict.Side(
        mode=seen.mode,
        used=seen.capacity - seen.least,
        capacity=seen.capacity,
        threshold=seen.threshold,
        decided=seen.decided,
        evicted=seen.evicted,
        evictions=tuple(each.service for each in seen.evictions),
        oom_kills=seen.oom_kills,
        moves=seen.moves,
        clients={name: demo_verdict.client_of(*found) for name, found in parsed.items()},
        away=AWAY,
    )
