"""What the clients of a moved pod need of the world, and kubelet's part in it. Judges only.

Owns: when a resumed target becomes Ready, and the rules for the end of the source and of its pod.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from podferry.wire.names import READINESS_GATE
from podferry.wire.stages import Order, Role

if TYPE_CHECKING:
    from .world import World

TAKES_READY = timedelta(seconds=1)
ROUTES_CHANGE = timedelta(seconds=2)
"""kubelet's relist and kube-proxy's shortest pause between two writes, 1 s each by default."""


def has(pod: dict[str, Any], kind: str) -> bool:
    """Whether a pod's condition is True; in this world none is ever False."""
    return kind in [item["type"] for item in pod["status"].get("conditions", [])]


def set_true(pod: dict[str, Any], kind: str) -> None:
    """Set a pod's condition."""
    if not has(pod, kind):
        pod["status"].setdefault("conditions", []).append({"type": kind, "status": "True"})


def kubelet_sees_ready(world: World) -> None:
    """A marked pod whose workload runs becomes Ready after a while, or never."""
    if world.target is None or not world.target.runs:
        return
    world.resumed_at = world.resumed_at or world.now
    if not world.ever_ready or world.now - world.resumed_at < TAKES_READY:
        return
    for pod in world.pods.values():
        if has(pod, READINESS_GATE):
            set_true(pod, "Ready")


def judge_release(world: World) -> None:
    """The source's end takes its pod out of the endpoints; the target's must be in before."""
    world.released_at = world.now
    targets = [pod for pod in world.pods.values() if pod["spec"]["nodeName"] == "node-b"]
    ready = any(has(pod, "Ready") for pod in targets)
    excused = not world.ever_ready or world.pressure or not world.forwarded_to
    if "app" in world.pods and world.kind in ("ReplicaSet", "Job") and not (ready or excused):
        world.violations.append("nobody answers: the source ended before the target was Ready")


def judge_deletion(world: World) -> None:
    """A pod that forwards goes only once nothing arrives there and what came was reset."""
    if not world.forwarded_to:
        return
    if world.released_at is None or world.now - world.released_at < ROUTES_CHANGE:
        world.violations.append("the forwarding pod was deleted while routes lead to it")
    if world.stages[Role.TARGET] != "Forgotten":
        world.violations.append("the forwarding pod was deleted before its connections ended")


def pauses(world: World, order: Order, at: str) -> bool:
    """Whether this order freezes the source; judges that everybody knows before."""
    if order.stage == "Prepared" and order.params.get("pauseFirst") is True:
        assert world.status.freeze_epoch == order.freeze_epoch == 1, "frozen, and nobody knows"
        return True
    freezes = order.stage == "Frozen" and at in ("", "Prepared")
    assert not (freezes and world.freeze_first) or world.source.frozen, "it ran meanwhile"
    return freezes
