"""The world moves too: networks, machines, users, owners and clocks, in any step of a move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from podferry.api.migration import Decision
from podferry.controller.core.undecided import FRESH_SECONDS

from .clock import Work
from .victims import TARGET_FOLDER, reached
from .world import Excuse, World

Move = Callable[[World], object]


def _cut(one: str, other: str, seconds: float) -> Move:
    """No packets between two parties for a while."""

    def act(world: World) -> None:
        pairs = [(one, other)]
        if one == "controller":
            pairs = [(name, other) for name in world.leaders]
        cut = {frozenset(pair) for pair in pairs}
        world.api.cut |= cut
        world.sim.later(seconds, lambda: world.api.cut.difference_update(cut))

    return act


def api_away(world: World) -> None:
    """Nobody reaches the API server for 20 s; writes under way may or may not have happened."""
    world.api.down = True
    world.sim.later(20.0, lambda: setattr(world.api, "down", False))


def stale_leader(world: World) -> None:
    """The leader has lost the Lease and does not know: two act at once for 30 s."""
    name = world.leading()
    world.settings["zombie"] = name
    world.api.lease = ("", -100.0)
    other = next(item for item in world.leaders if item != name)
    world.leaders[other][0]._take()
    world.sim.later(30.0, lambda: world.settings.pop("zombie", None))


def stalled_leader(world: World) -> None:
    """The leader's machine stands still for 15 s and then goes on where it was."""
    for proc in world.leaders[world.leading()][1]:
        world.sim.pause(proc, 15.0)


def reboot_source(world: World) -> None:
    """What ran there is over; what was rehearsed completely must go on."""
    status = world.status
    stage = next((s for r, s, _ in reversed(world.orders) if r == "target"), "")
    state = world.b.disk.get(f"{TARGET_FOLDER}/order")
    rehearsed = state is not None and state.observed.stage in ("Rehearsed", "Resumed", "Forgotten")
    back = status is not None and status.decision in (Decision.ROLLED_BACK, Decision.REVERTED)
    lazy = world.copy == "PostCopy" and world.b.disk.get(f"{TARGET_FOLDER}/lazy.rc") != 0
    if not rehearsed or back or lazy:
        held = "u-source" if not lazy else ""
        world.excuses.append(Excuse(f"its only node was rebooted (target at {stage})", held))
        if back or not rehearsed:
            world.excuses[-1] = Excuse("its only node was rebooted")
    else:
        _turned_back_on_an_old_answer(world)
    world.a.reboot()


def _turned_back_on_an_old_answer(world: World) -> None:
    """Declared: RolledBack may rest on an answer from just before the source's end."""
    latest = world.sim.now + FRESH_SECONDS

    def decided() -> bool:
        status = world.status
        back = status is not None and status.decision is Decision.ROLLED_BACK
        return back and world.sim.now <= latest

    excuse = Excuse("its node was rebooted just before the decision to turn back")
    world.when(decided, lambda: world.excuses.append(excuse), 0.0)


def reboot_target(world: World) -> None:
    """Costs nothing before the resume; after it the workload was on that node."""
    if f"{TARGET_FOLDER}/RESUMING" in world.b.disk:
        world.excuses.append(Excuse("its node was rebooted after the resume", beside=False))
    world.b.reboot()


def _then(first: Move, second: Move, seconds: float) -> Move:
    """Two things, one after the other: a fault, and what a person does about it."""

    def act(world: World) -> None:
        first(world)
        world.sim.later(seconds, lambda: second(world))

    return act


def delete_pod(world: World) -> None:
    """`kubectl delete pod`, an eviction or a drain: the workload's pod is to end."""
    pod = world.api.pods.get("app")
    if pod is not None:
        world.excuses.append(Excuse("a user deleted its pod", pod["metadata"]["uid"]))
        world.api.delete("app", pod["metadata"]["uid"], now=False)


def force_delete_pod(world: World) -> None:
    """`kubectl delete pod --grace-period=0 --force`."""
    pod = world.api.pods.get("app")
    if pod is not None:
        world.excuses.append(Excuse("a user deleted its pod", pod["metadata"]["uid"]))
        world.api.delete("app", pod["metadata"]["uid"], now=True)


def delete_target_pod(world: World) -> None:
    """Somebody tidies the new pod up."""
    for name, pod in list(world.api.pods.items()):
        if pod["spec"].get("nodeName") == "node-b":
            uid = pod["metadata"]["uid"]
            world.excuses.append(Excuse("a user deleted its pod", uid))
            world.api.delete(name, uid, now=False)


def scale(replicas: int) -> Move:
    """A user or an autoscaler changes `replicas`."""

    def act(world: World) -> None:
        owner = world.api.owners.get("owner")
        if owner is None or owner["kind"] == "Job":
            return
        owner["spec"]["replicas"] = replicas
        if replicas == 0:
            world.excuses.append(Excuse("a user scaled it to 0"))
        world.api.touch()

    return act


def roll_out(world: World) -> None:
    """A new revision: its pod comes first, then the old ReplicaSet goes to 0."""
    old = world.api.owners.get("owner")
    if old is None or old["kind"] != "ReplicaSet":
        return
    new = {
        "kind": "ReplicaSet", "metadata": {"name": "owner2", "uid": "o2"},
        "spec": {"replicas": 1, "hash": "h2"}, "status": {},
    }  # fmt: skip
    world.api.owners["owner2"] = new
    world.excuses.append(Excuse("a user rolled a new revision out"))
    world.sim.later(2.0, lambda: old["spec"].update(replicas=0))


def delete_owner(world: World) -> None:
    """The Deployment, Job or StatefulSet is deleted."""
    if world.api.owners.pop("owner", None):
        world.excuses.append(Excuse("a user deleted its owner"))
        world.api.touch()


def delete_namespace(world: World) -> None:
    """Everything in it is to end, our Migration too; nothing can be made any more."""
    world.excuses.append(Excuse("a user deleted its namespace"))
    world.api.namespace_ends = True
    world.api.owners.clear()
    if world.api.migration is not None:
        if world.api.migration.finalizers:
            world.api.change(deletion_requested=True)
        else:
            world.api.migration = None


def finish(world: World) -> None:
    """The workload ends by itself, with success, as soon as it runs."""

    def work() -> Work:
        while True:
            for item in world.containers():
                if item.runs and item.memory is not None:
                    world.excuses.append(Excuse("it ended by itself"))
                    world.nodes[item.node].end(item.id, "done", 0)
                    return
            yield 0.01

    if world.kind == "Job":
        world.sim.spawn("finish", work())


def cancel(world: World) -> None:
    """`podferry cancel`."""
    if world.api.migration is not None:
        spec = replace(world.api.migration.spec, cancel=True)
        world.api.change(spec=spec)


def delete_migration(world: World) -> None:
    """`kubectl delete migration`."""
    if world.api.migration is not None and world.api.migration.finalizers:
        world.api.change(deletion_requested=True)


def never_ready(world: World) -> None:
    """The target's readiness probe never passes."""
    world.settings["never_ready"] = True


def quota(seconds: float) -> Move:
    """A ResourceQuota refuses every new pod for a while."""

    def act(world: World) -> None:
        world.api.quota_refuses = True
        world.sim.later(seconds, lambda: setattr(world.api, "quota_refuses", False))

    return act


def clock_jump(seconds: float) -> Move:
    """The leader's clock is set."""

    def act(world: World) -> None:
        world.leaders[world.leading()][0].clock_offset += seconds

    return act


MOVES: dict[str, Move] = {
    "API server away 20 s": api_away,
    "partition: controller and source agent, 20 s": _cut("controller", "node-a", 20.0),
    "partition: controller and target agent, 20 s": _cut("controller", "node-b", 20.0),
    "partition: the two nodes, 20 s": _cut("node-a", "node-b", 20.0),
    "partition: API server and target node, 20 s": _cut("node-b", "api", 20.0),
    "stale leader: two act at once": stale_leader,
    "stalled leader, 15 s": stalled_leader,
    "reboot of the source node": reboot_source,
    "reboot of the target node": reboot_target,
    "reboot of the target node, then cancelled": _then(reboot_target, cancel, 30.0),
    "reboot of the target node, then the source's pod deleted": _then(
        reboot_target, delete_pod, 30.0
    ),
    "pod deleted or evicted": delete_pod,
    "pod force-deleted": force_delete_pod,
    "target pod deleted": delete_target_pod,
    "scaled to 0": scale(0),
    "scaled to 3": scale(3),
    "Deployment rolled": roll_out,
    "owner deleted": delete_owner,
    "namespace deleted": delete_namespace,
    "Job finishes": finish,
    "cancelled": cancel,
    "Migration deleted": delete_migration,
    "never ready": never_ready,
    "quota refuses for 20 s": quota(20.0),
    "quota refuses for ever": quota(1e6),
    "controller's clock 1 h forward": clock_jump(3600.0),
    "controller's clock 1 h back": clock_jump(-3600.0),
}
_KINDS = {
    "scaled to 0": ("Deployment", "StatefulSet"), "scaled to 3": ("Deployment", "StatefulSet"),
    "Deployment rolled": ("Deployment",), "Job finishes": ("Job",),
    "owner deleted": ("Deployment", "StatefulSet", "Job"),
}  # fmt: skip


def fits(move: str, kind: str) -> bool:
    """Whether that can happen to that kind of workload."""
    return kind in _KINDS.get(move, (kind,))


def happen(world: World, step: str, move: str, delay: float, hits: list[str]) -> None:
    """Let it happen `delay` [s] into a step."""

    def act() -> None:
        world.say(f"HAPPENS {move} in {step}")
        hits.append(f"{move} in {step}")
        MOVES[move](world)

    world.when(lambda: reached(world, step), act, delay)
