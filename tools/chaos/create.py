"""What containerd starts for `create`: the real decisions of runtime_wrapper on a fake disk.

Owns: the hold, the claim, the one restore, as `wrapper.restore` orders them. The functions that
decide (`wanted`, `may_create_plainly`, `end_earlier`) are the wrapper's own.
"""

from __future__ import annotations

import importlib.util
import posixpath
from types import ModuleType, SimpleNamespace
from typing import Any

from podferry.runtime_wrapper import wrapper as shipped
from podferry.wire import layout, names

from .clock import Proc, Work
from .node import Container, Image, Memory, Node

RESTORE_SECONDS = 0.2
GUARD_SECONDS = 0.01


class Failed(Exception):
    """`create` ended with an error; kubelet tries again later."""


def _load() -> ModuleType:
    """A copy of the wrapper whose file access goes to the fake disk of `current`."""
    spec = importlib.util.spec_from_file_location("chaos_wrapper", str(shipped.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def unlink(path: str) -> None:
        if path not in module.current.disk:
            raise FileNotFoundError(path)
        del module.current.disk[path]

    def kill_group(group: str | None) -> bool:
        if group:
            module.current.end(group, "an earlier create of this attempt")
        return True

    exists = SimpleNamespace(join=posixpath.join, exists=lambda path: path in module.current.disk)
    changes: dict[str, Any] = {
        "os": SimpleNamespace(path=exists, unlink=unlink, getpid=lambda: 0),
        "read": lambda folder, name: module.current.disk.get(f"{folder}/{name}"),
        "write": lambda folder, name, value: module.current.disk.update(
            {f"{folder}/{name}": value}
        ),
        "boot_id": lambda: f"{module.current.name}-{module.current.boot}",
        "kill_group": kill_group,
    }
    for name, value in changes.items():
        assert hasattr(module, name), f"the wrapper has no {name} any more"
        setattr(module, name, value)
    return module


_WRAPPER = _load()


def decide(node: Node, name: str, *arguments: Any) -> Any:
    """Call one of the wrapper's decisions for this node. Raises Failed for its Refused."""
    _WRAPPER.current = node
    try:
        return getattr(_WRAPPER, name)(*arguments)
    except _WRAPPER.Refused as refusal:
        raise Failed(str(refusal)) from refusal


def create(node: Node, pod: dict[str, Any], identity: str) -> Work:
    """One call; the Container when it exists. Raises Failed."""
    metadata = pod["metadata"]
    uid, notes = metadata["uid"], metadata.get("annotations") or {}
    if layout.block_file(uid) in node.disk:
        raise Failed("this pod's workload was frozen to be moved")
    order = notes.get(names.ANNOTATION_RESTORE)
    if not order:
        return (yield from _plain(node, uid, identity))
    role = notes.get(names.ANNOTATION_RESTORE_ROLE, "replacement")
    folder = layout.attempt_dir(*_split(order)) + "/target"
    if decide(node, "may_create_plainly", folder, uid):
        decide(node, "note_again", SimpleNamespace(id=identity), {}, folder, uid)
        return (yield from _plain(node, uid, identity))
    end = node.sim.now + names.CREATE_HOLD_SECONDS
    lock = f"{folder}/lock-{role}"

    def holder_gone() -> bool:
        holder: Proc | None = node.run.get(lock)
        return holder is None or not holder.alive

    known = yield from node.sim.wait(lambda: f"{folder}/order" in node.disk, end - node.sim.now)
    if not known:
        raise Failed("the agent of this node knows no attempt " + order)
    if not (yield from node.sim.wait(holder_gone, end - node.sim.now)):
        raise Failed("another create of this attempt still runs")
    me = node.procs[f"create/{identity}"]
    node.run[lock] = me
    decide(node, "wanted", folder, role, uid, identity)
    decide(node, "end_earlier", folder, role, SimpleNamespace(id=identity))
    node.disk[f"{folder}/claim-{role}.json"] = {
        "containerID": identity, "podUID": uid, "cgroup": identity, "wrapper": me,
        "bootID": f"{node.name}-{node.boot}",
    }  # fmt: skip
    plan = yield from node.sim.wait(
        lambda: decide(node, "wanted", folder, role, uid, identity), end - node.sim.now
    )
    if not plan:
        raise Failed("the order to restore did not come in time; kubelet tries again")
    if plan["action"] == "plain":
        return (yield from _plain(node, uid, identity))
    return (yield from _restore_once(node, folder, role, uid, identity, plan))


def _split(order: str) -> tuple[str, int]:
    uid, _, attempt = order.rpartition(".")
    return uid, int(attempt)


def _plain(node: Node, uid: str, identity: str) -> Work:
    yield 0.2
    made = Container(identity, uid, node.name, None)
    node.containers[identity] = made
    return made


def _restore_once(
    node: Node, folder: str, role: str, uid: str, identity: str, plan: dict[str, Any]
) -> Work:
    """runc restore, frozen; on any failure nothing of it is left."""
    image: Image | None = node.disk.get(f"{folder}/images")
    if plan["spend"]:
        if image is None or image.spent:
            node.disk[f"{folder}/failed-{role}.json"] = {
                "containerID": identity, "podUID": uid, "reason": "ImagesSpent", "message": "",
            }  # fmt: skip
            raise Failed("the images are gone, or spent")
        image.spent = True
    made = Container(identity, uid, node.name, Memory(-1, whole=False), frozen=True)
    node.containers[identity] = made
    me = node.procs[f"create/{identity}"]

    def guard() -> Work:
        yield from node.sim.wait(lambda: not me.alive, 120.0)
        if not me.alive and f"{folder}/restored-{role}.json" not in node.disk:
            node.end(identity, "guard of a wrapper that died")

    def criu() -> Work:
        yield RESTORE_SECONDS
        lazy = not plan["lazy"] or node.lives("lazy")
        return bool(image and image.complete and lazy)

    guarding = node.start(f"guard/{identity}", guard())
    work = node.start("restore", criu())
    yield from node.sim.wait(lambda: not work.alive, 60.0, poll=0.005)
    if work.result and made.alive:
        assert image is not None
        node.sim.kill(guarding)
        made.memory = Memory(image.turns, whole=not plan["lazy"])
        node.run[layout.restored_file(identity)] = True
        node.disk[f"{folder}/restored-{role}.json"] = {"containerID": identity, "podUID": uid}
        return made
    node.sim.kill(work)
    node.end(identity, "its restore failed")
    node.sim.kill(guarding)
    node.disk[f"{folder}/failed-{role}.json"] = {
        "containerID": identity, "podUID": uid, "reason": "RestoreFailed", "message": "criu ended",
    }  # fmt: skip
    raise Failed("restore failed")
