"""The agent's use of `ops`: what the stages ask of containers, in terms of sides and nodes.

Owns: the order of node operations within a step and the facts they leave. Never does: decide
when a step may happen (stages do).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podferry.agent import archive, companions, containers, files, pending_kills, shared_volumes
from podferry.agent.containers import cgroup_of as cgroup_of
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.node import Node
from podferry.agent.ops import deadman, dump, fate, redirect, restore_config, shield, thaw
from podferry.agent.ops import probe as probing
from podferry.agent.ops.freezer import Cgroup
from podferry.agent.ops.host import Host
from podferry.agent.pending_kills import After
from podferry.wire import layout, names

DUMP_SECONDS = 90.0
_PAGES_FD = 9
"""Where criu finds its page server, which is our sender; runc uses lower descriptors."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """What a freeze needs to know. `page_address` is the target, or where to serve if `lazy`."""

    container: containers.Container
    page_address: str
    page_port: int
    lazy: bool
    tls_dir: str
    dead_man_seconds: float


def thaw_cgroup(host: Host, identity: str) -> None:
    """Thaw a restored container and read it back. Raises AgentError if it stays frozen."""
    if not cgroup_of(host, identity).thaw():
        raise AgentError("ThawFailed", f"container {identity[:12]} stays frozen after 5 s of thaw")


def kill_container(host: Host, identity: str) -> None:
    """Kill every task of a container and see its group empty. Raises AgentError."""
    if not cgroup_of(host, identity).kill():
        raise AgentError("KillFailed", f"container {identity[:12]} still has tasks after 5 s")


def raise_shield(host: Host, netns: str, mode: str = "full") -> None:
    """Keep packets out of a pod's network namespace. Raises AgentError."""
    try:
        shield.raise_shield(host, netns, mode)
    except shield.ShieldFailed as error:
        raise AgentError("ShieldFailed", str(error)) from error


def lower_shield(host: Host, netns: str) -> None:
    """Let packets pass again; nothing to do without a namespace. Raises AgentError."""
    if not netns:
        return
    try:
        shield.lower_shield(host, netns)
    except shield.ShieldFailed as error:
        raise AgentError("ShieldFailed", str(error)) from error


def write_restore_config(path: str, tls_dir: str) -> None:
    """CRIU options of one restore."""
    files.write_text(path, restore_config.render(tls_dir=tls_dir))


def probe(host: Host, found: containers.Container, *, files_too: bool = True) -> dict[str, Any]:
    """Blockers and sizes of a running container, as sent over the wire.

    `files_too`: also walk what travels beside the memory, for fileBytes; it may be a large tree.
    """
    cgroup = cgroup_of(host, found.id)
    answer = probing.settled(cgroup.pids, shared=bool(companions.find(host, found)))
    answer["blockers"] += shared_volumes.blockers(host, found.bundle, cgroup.pids())
    answer["ok"] = not answer["blockers"]
    answer["cgroup"] = "v2" if cgroup.v2 else "v1"
    if not files_too:
        return answer
    places = [*containers.empty_dirs(host, found.bundle).values(), found.bundle.shm]
    with contextlib.suppress(AgentError):
        places.append(containers.upper_dir(host, found.bundle))
    size = sum(archive.tree_bytes(host.path(place)) for place in places if place)
    return {**answer, "fileBytes": size}


def swallowed(node: Node, identity: str) -> list[str]:
    """Kill and delete calls that the wrapper answered with 0 and did not carry out."""
    with contextlib.suppress(FileNotFoundError):
        text = Path(node.local(layout.hold_file(identity, run=node.run))).read_text()
        return [line for line in text.splitlines() if line.strip()]
    return []


def dump_code(side: Side) -> int | None:
    """Exit code of this attempt's dump, None while it runs or before it."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(Path(f"{side.folder}/dump.rc").read_text())
    return None


def dump_running(node: Node, side: Side) -> bool:
    """Whether the dump process of this attempt lives."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        pid = int(Path(f"{side.folder}/dump.pid").read_text())
        return dump_code(side) is None and node.alive(pid)
    return False


def before_freeze(node: Node, side: Side, freeze: Freeze) -> None:
    """Everything that must stand before the pause: shield, dead-man, hold marker."""
    found = freeze.container
    netns = found.bundle.network_namespace
    hold = layout.hold_file(found.id, run=node.run)
    block = _block_file(node, side)
    os.makedirs(os.path.dirname(node.local(block)), mode=0o700, exist_ok=True)
    files.write_text(node.local(block), f"{side.order.migration}.{side.order.attempt}")
    beside = [one.id for one in companions.find(node.host, found)]  # none is created any more
    side.note(beside=beside)
    holds = {one: layout.hold_file(one, run=node.run) for one in beside}
    deadman.arm(
        node.host,
        node.folder(side),
        cgroup_of(node.host, found.id),
        max(1, round(freeze.dead_man_seconds)),
        hold,
        netns=netns,
        block_file=block,
        beside=[(cgroup_of(node.host, one), place) for one, place in holds.items()],
    )
    raise_shield(node.host, netns, "syn")
    if not shield.drain(found.pid):
        raise AgentError(
            "ConnectionsWaiting",
            "connections wait to be accepted, 200 ms after new ones were kept out; criu cannot dump"
            " them. The program accepts too slowly now; try again when it is less busy",
        )
    raise_shield(node.host, netns, "full")
    for place in (hold, *holds.values()):
        files.write_text(node.local(place), "")


def pause(node: Node, side: Side, freeze: Freeze) -> float:
    """Pause unless a former agent process already dumps. Returns seconds. Raises AgentError."""
    if side.has("dump.pid"):
        return float(side.facts.get("pauseSeconds", 0.0))
    cgroup = cgroup_of(node.host, freeze.container.id)
    companions.freeze(node.host, side)
    try:
        seconds = dump.pause(node.host, freeze.container.id, cgroup)
    except (dump.DumpFailed, OSError) as error:
        raise AgentError("DumpFailed", str(error)) from error
    _yield_to_dead_man(node, side, cgroup)
    return round(seconds, 4)


def dump_paused(node: Node, side: Side, freeze: Freeze) -> float:
    """Dump; pages go to the target's page server, or are served. Returns seconds.

    A dump that a former agent process started is waited for, never started a second time.
    """
    spec = _spec(node, side, freeze)
    began = time.monotonic()
    if read_fate(side):
        raise AgentError("FateThawed", "this source was thawed before its dump began")
    try:
        if not side.has("dump.pid"):
            dump.start(node.host, spec)
        cgroup = cgroup_of(node.host, freeze.container.id)
        dump.wait(node.host, spec, cgroup, seconds=DUMP_SECONDS)
    except (dump.DumpFailed, OSError) as error:
        raise AgentError("DumpFailed", str(error)) from error
    _yield_to_dead_man(node, side, cgroup)
    return round(time.monotonic() - began, 4)


def _yield_to_dead_man(node: Node, side: Side, cgroup: Cgroup) -> None:
    """Undo a freezer write of ours that came after the dead-man's thaw. Raises AgentError.

    FATE is read after the write, so either we see its claim here or it acts after our write. It
    acts only once: a FROZEN over its thaw would last as long as nobody orders a roll back.
    """
    if read_fate(side) == fate.THAWED:
        thaw.thaw(node.host, cgroup, node.folder(side))
        companions.thaw(node.host, side)
        raise AgentError(
            "FateThawed", "the dead-man thawed this source during its freeze; roll back"
        )


def _spec(node: Node, side: Side, freeze: Freeze) -> dump.DumpSpec:
    folder = node.folder(side)
    where = (freeze.page_address, freeze.page_port)
    if freeze.lazy:
        options: tuple[str, ...] = tuple(restore_config.tls_lines(freeze.tls_dir))
        carrier: tuple[str, ...] = ()
    else:
        options = ("page-server", f"ps-socket {_PAGES_FD}")
        carrier = _sender(freeze.tls_dir, *where)
    return dump.DumpSpec(
        container_id=freeze.container.id,
        folder=folder,
        images_dir=f"{node.ram(side)}/images",
        work_dir=f"{node.ram(side)}/work",
        options=options,
        carrier=carrier,
        serve=where if freeze.lazy else None,
    )


def _sender(tls_dir: str, address: str, port: int) -> tuple[str, ...]:
    """The program that runs a dump and carries its pages to the target."""
    return (
        *("python3", "-I", "-S", f"{names.INSTALL_DIR}/page_sender.py"),
        *("--tls-dir", tls_dir, "--identity", names.AGENT_IDENTITY),
        *("--address", address, "--port", str(port)),
        *("--descriptor", str(_PAGES_FD), "--"),
    )


def claim_fate(side: Side, value: str) -> bool:
    """First writer wins; the same value again is also a win."""
    return fate.claim_fate(side.folder, value) == value


def read_fate(side: Side) -> str:
    """`sealed`, `thawed` or empty."""
    return fate.read_fate(side.folder)


def disarm(node: Node, side: Side) -> None:
    """End the dead-man of this attempt."""
    deadman.disarm(node.host, node.folder(side))


def hand_over_connections(node: Node, side: Side) -> dict[str, Any]:
    """Peers of a committed source see a reset at once; new connections go to param `forwardTo`.

    Returns the facts connectionsReset, forwardedTo and, when forwarding was wanted and cannot be,
    forwardError. Never fails for want of forwarding: a source without it only costs its clients
    the time until Kubernetes routes to the target. A repetition resets what came in between.
    """
    netns = str(side.facts.get("netns", ""))
    if not netns or not os.path.exists(node.local(netns)):
        return {"forwardedTo": ""}
    facts: dict[str, Any] = {"forwardedTo": ""}
    address = str(side.params.get("forwardTo") or "")
    if address:
        try:
            redirect.forward(node.host, netns, str(side.params.get("podIP") or ""), address)
            facts["forwardedTo"] = address
        except redirect.CannotForward as error:
            facts["forwardError"] = str(error)
    if not facts["forwardedTo"]:
        # Lowering it instead would let the frozen listener complete handshakes nobody resets.
        raise_shield(node.host, netns, "reset")
    reset = thaw.reset_connections(node.host, netns)
    facts["connectionsReset"] = max(reset, int(side.facts.get("connectionsReset", 0)))
    return facts


def reset_forwarded(node: Node, side: Side) -> int:
    """At the target: reset what still comes through the source pod, whose address they have.

    The source's namespace is about to go, and its clients would wait for answers in vain.
    """
    netns, address = str(side.facts.get("netns", "")), str(side.params.get("forwardedFrom") or "")
    if not address or not netns or not os.path.exists(node.local(netns)):
        return 0
    return thaw.reset_connections(node.host, netns, "dst", address)


def release(node: Node, side: Side) -> None:
    """Verdict Committed, connections reset: dead-man and holds gone, tasks killed, shield down.

    A namespace that forwards goes on doing so for param forwardSeconds: kubelet and kube-proxy
    need a while to see that these tasks are gone.
    """
    params, forwarded = side.params, str(side.facts.get("forwardedTo") or "")
    identity = str(side.facts["containerID"])
    disarm(node, side)
    thaw.stop_dump(node.host, node.folder(side))
    for one in companions.everyone(side):
        _remove_hold(node, one)  # first: containerd's `delete` follows the end at once
    kill_container(node.host, identity)
    companions.kill(node.host, side)
    netns = str(side.facts.get("netns", ""))
    if forwarded:
        with contextlib.suppress(redirect.CannotForward):  # gone, or it goes on without an end
            seconds = float(params.get("forwardSeconds") or 0)
            redirect.forward(node.host, netns, str(params.get("podIP")), forwarded, seconds)
    else:
        lower_shield(node.host, netns)


def break_off_dump(node: Node, side: Side, *, seconds: float = 5.0) -> None:
    """Make a dump fail by itself: its page connection is cut, so criu puts everything back.

    A criu that is killed leaves the workload's sockets in repair mode, which loses connections;
    that stays the last resort of whoever calls this.
    """
    lazy = side.params.get("copy") == "PostCopy"
    port = int(side.facts.get("pagePort") or side.params.get("pagePort") or 0)
    peer = ["sport", "=", f":{port}"] if lazy else ["dport", "=", f":{port}"]
    deadline = time.monotonic() + seconds
    while dump_running(node, side) and time.monotonic() < deadline:
        node.host.run(["ss", "-K", "-H", "-t", "state", "connected", *peer], timeout=5)
        if lazy:  # nobody may have connected yet: a caller that says nothing ends the wait
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
        time.sleep(0.05)


def end_dump(node: Node, side: Side) -> None:
    """End this attempt's criu; the source stays frozen. Raises AgentError if it cannot be told."""
    identity = str(side.facts["containerID"])
    cgroup = cgroup_of(node.host, identity)
    break_off_dump(node, side)
    ended = thaw.stop_dump(node.host, node.folder(side)) and thaw.stop_tracers(cgroup)
    if not ended or not cgroup.freeze():
        raise AgentError(
            "NotFrozen",
            f"container {identity[:12]} did not stay frozen while its criu was ended; roll back",
        )
    _yield_to_dead_man(node, side, cgroup)


def thaw_source(node: Node, side: Side) -> None:
    """End this attempt's criu, thaw and read back, then shield, dead-man and hold go."""
    identity = str(side.facts["containerID"])
    break_off_dump(node, side)
    if not thaw.thaw(node.host, cgroup_of(node.host, identity), node.folder(side)):
        raise AgentError(
            "ThawFailed",
            f"container {identity[:12]} stays frozen, or its criu does not end; look for tasks in"
            " state D; the order is tried again when it is repeated",
        )
    companions.thaw(node.host, side)
    lower_shield(node.host, str(side.facts.get("netns", "")))
    disarm(node, side)
    ending = bool(side.params.get("ending", True))
    found = {
        one: pending_kills.after(swallowed(node, one), ending=ending)
        for one in companions.everyone(side)
    }
    for one in (one for one, what in found.items() if what is After.REPLAY):
        node.host.run(["runc", "--root", containers.RUNC_ROOT, "kill", one, "TERM"])
    _remove_block(node, side)
    if After.HOLD in found.values():
        side.note(holdUntil=pending_kills.deadline(side.params.get("graceSeconds")))
    for one in (one for one, what in found.items() if what is not After.HOLD):
        _remove_hold(node, one)


def end_hold(node: Node, side: Side) -> None:
    """Let kills through again once the one that a thaw left to be swallowed came, or is overdue."""
    until = float(side.facts.get("holdUntil") or 0)
    if not until:
        return
    left = [one for one in companions.everyone(side) if _is_held(node, one)]
    over = [one for one in left if pending_kills.is_over(swallowed(node, one), until)]
    for one in over:
        _remove_hold(node, one)
    if over == left:
        side.note(holdUntil=0)


def _block_file(node: Node, side: Side) -> str:
    """Marker (the node's path) that keeps kubelet from starting the source's pod again."""
    pod_uid = str(side.facts.get("podUID") or side.params.get("podUID"))
    return layout.block_file(pod_uid, state=node.state)


def _remove_block(node: Node, side: Side) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(node.local(_block_file(node, side)))


def _is_held(node: Node, identity: str) -> bool:
    return os.path.exists(node.local(layout.hold_file(identity, run=node.run)))


def _remove_hold(node: Node, identity: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(node.local(layout.hold_file(identity, run=node.run)))
