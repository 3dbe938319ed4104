"""Plays one scene on the lab's nodes and returns everything that was seen of it.

Owns the order of a cell: clear, calm, start the workloads, put the policy, watch, collect.
It counts nothing: `outcome` does.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from podferry.api.reasons import TERMINAL
from podferry.cli import demo_scene
from podferry.cli.demo_world import World
from podferry.cli.install import InstallError
from podferry.lab.cluster import inspect
from podferry.lab.cluster.model import CONTROL
from tools.rescue_study import asker_program, node_program
from tools.rescue_study.outcome import MIB, Answer, NodeSample, Object, Raw, phase
from tools.rescue_study.scene import Scene

NAMESPACE = "study"
POLICY_FILE = Path(__file__).parent / "policy.yaml"
ASK_SECONDS = 0.5
LOOK_SECONDS = 2.0
SETTLE_SECONDS = 16.0
"""The policy is put so long after all began: its window must not hold the start of the pods, which
take their first value at once."""
END_SECONDS = 60.0
"""So long a move that is under way at the end may take."""
Say = Callable[[str], None]


def policy(mode: str) -> Object:
    """The study's RescuePolicy in `mode`."""
    made: Object = yaml.safe_load(POLICY_FILE.read_text())
    made["spec"]["mode"] = mode
    return made


class Programs:
    """The programs in the boxes while they run, and the folder that their output goes to."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self._folder = world, folder
        self._running: list[subprocess.Popen[bytes]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, box: str, script: Any, *args: str) -> None:
        """Run a script in a box, its output in the file of the box's name."""
        argv = ["python3", "-I", "-c", Path(script.__file__).read_text(), *args]
        with (self._folder / f"{box}.txt").open("wb") as out:
            self._running.append(
                subprocess.Popen(
                    inspect.exec_argv(self._world.lab, box, argv),
                    stdin=subprocess.PIPE,
                    stdout=out,
                    start_new_session=True,
                )
            )

    def stop(self) -> None:
        """End all by closing their input."""
        for process in self._running:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._running:
            process.wait(timeout=30)
        self._running.clear()

    def lines(self, box: str) -> list[list[str]]:
        """The words of each whole line that the box's program printed."""
        text = (self._folder / f"{box}.txt").read_text()
        return [line.split() for line in text.splitlines()]


def prepare(world: World, say: Say) -> None:
    """Remove what was played before and wait until all nodes are calm."""
    demo_scene.clear(world, NAMESPACE)
    demo_scene.calm(world, say)


def play(world: World, scene: Scene, mode: str, folder: Path, say: Say) -> Raw:
    """Play a scene; `mode` is off, DryRun or Act; nodes were calmed before."""
    names = [f"node-{chr(ord('a') + at)}" for at in range(scene.nodes)]
    raw = Raw(
        0.0,
        {},
        [],
        demo_scene.capacity(world, names[0]),
        demo_scene.threshold(world, names[0]),
    )
    _start(world, scene, names)
    programs = Programs(world, folder)
    with ExitStack() as stack:
        stack.callback(programs.stop)
        raw.began = time.time()
        programs.start(CONTROL, asker_program, str(ASK_SECONDS), *_addresses(world))
        for name in names:
            programs.start(name, node_program)
        _watch(world, scene, mode, raw, say)
    raw.nodes = {
        name: [
            NodeSample(float(at), int(used) / MIB, int(pods) / MIB)
            for at, used, pods in programs.lines(name)
        ]
        for name in names
    }
    raw.answers = [_answer(words) for words in programs.lines(CONTROL)]
    return raw


def _start(world: World, scene: Scene, names: list[str]) -> None:
    """Start all workloads at once and wait until they run."""
    objects: list[Object] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    ]
    for actor in scene.actors:
        home = names[actor.node]
        objects += demo_scene.workload(
            actor.name, actor.text(), namespace=NAMESPACE, node=home, request=actor.request
        )
    demo_scene.apply(world, objects)
    for actor in scene.actors:
        rollout = ("rollout", "status", f"deployment/{actor.name}", "-n", NAMESPACE)
        world.kubectl.run(*rollout, "--timeout=90s")


def _addresses(world: World) -> list[str]:
    services = demo_scene.listed(world, "services", NAMESPACE)
    return [f"{each['metadata']['name']}={each['spec']['clusterIP']}" for each in services]


def _answer(words: list[str]) -> Answer:
    at, name, boot = float(words[0]), words[1], words[2]
    if boot == "!":
        return Answer(at, name)
    return Answer(at, name, boot, float(words[3]) / 1000.0)


def _watch(world: World, scene: Scene, mode: str, raw: Raw, say: Say) -> None:
    """Put the policy; look every few seconds until the scene is over and no move is under way."""
    put = mode == "off"
    while True:
        elapsed = time.time() - raw.began
        if not put and elapsed >= SETTLE_SECONDS:
            demo_scene.apply(world, [policy(mode)])
            put = True
        moving = _look(world, mode, raw, say)
        if elapsed >= scene.seconds and (not moving or elapsed > scene.seconds + END_SECONDS):
            return
        time.sleep(max(0.0, LOOK_SECONDS - (time.time() - raw.began - elapsed)))


def _look(world: World, mode: str, raw: Raw, say: Say) -> bool:
    """Take in what happened since; returns whether a move is under way."""
    now = time.time()
    for pod in demo_scene.listed(world, "pods", NAMESPACE):
        _losses(pod, raw, now, say)
    raw.moves = demo_scene.listed(world, "migrations", NAMESPACE)
    if mode != "off":
        for node, action in _decisions(world).items():
            if node not in raw.wanted and action in ("Move", "WouldMove"):
                raw.wanted[node] = now
                say(f"{now - raw.began:5.0f} s  {action} from {node}")
    return any(phase(move) not in TERMINAL for move in raw.moves)


def _losses(pod: Object, raw: Raw, now: float, say: Say) -> None:
    uid, node = pod["metadata"]["uid"], str(pod["spec"].get("nodeName", ""))
    name = pod["metadata"]["name"]
    if uid not in raw.evicted and demo_scene.evictions([pod]):
        raw.evicted[uid] = node
        say(f"{now - raw.began:5.0f} s  kubelet of {node} evicted {name}")
    for container in demo_scene.oom_kills([pod]):
        if container not in raw.oom_killed:
            raw.oom_killed[container] = node
            say(f"{now - raw.began:5.0f} s  the kernel of {node} killed {name}")


def _decisions(world: World) -> dict[str, str]:
    """The last action of the policy about each node."""
    name = policy("DryRun")["metadata"]["name"]
    try:
        found = json.loads(world.kubectl.run("get", "rescuepolicy", name, "-o", "json"))
    except InstallError:
        return {}
    nodes = (found.get("status") or {}).get("nodes") or ()
    return {each["name"]: (each.get("lastDecision") or {}).get("action", "") for each in nodes}
