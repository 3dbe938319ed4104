"""One move by hand: the same protocol driven by a script, as the yardstick of the freeze.

runc pause, runc checkpoint on the paused container, a restore that leaves its tasks stopped,
SIGCONT; pages over plain TCP. No shield, no dead-man, no decision, no fsync, no encryption, and
CRIU's images are carried through this machine's own file system, which real nodes do not share.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench import gap, workload
from tools.bench.api import wait_for
from tools.bench.by_hand_node import RUN
from tools.bench.gap import Client
from tools.bench.ours import AFTER_ANSWERS, service
from tools.bench.stats import Cell
from tools.bench.world import BenchError, World

NAME, TARGET_NAME = "hand", "hand-target"
FOLDER = "/var/lib/podferry-bench"
_RUNC = ("runc", "--root", "/run/containerd/runc/k8s.io")
_FIXED = ("--tcp-established", "--ext-unix-sk", "--file-locks", "--manage-cgroups-mode", "ignore")
_PORT = 27000
_POLL_SECONDS = 0.001


@dataclass(slots=True)
class Held:
    """A container that waits in `create` on the target."""

    id: str
    pidfile: str


@dataclass(slots=True)
class Hand:
    """One move under way."""

    world: World
    cell: Cell
    container: str = ""
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def lazy(self) -> bool:
        """Whether pages follow after the resume."""
        return self.cell.copy == "PostCopy"

    def source(self, *argv: str) -> None:
        """Run on the source node."""
        self.world.run(workload.SOURCE, argv)

    def spawn(self, node: str, *argv: str) -> subprocess.Popen[bytes]:
        """Start a process on a node that `clear` ends."""
        log = self.world.path(node, f"{FOLDER}/spawned.log").open("ab")
        with log:
            child = subprocess.Popen(
                self.world.argv(node, argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=self.world.joining(node),
                start_new_session=True,  # nsenter and runc pass no signal on; `_clear` does
            )
        self.children.append(child)
        return child

    def place(self, node: str, name: str = "") -> Path:
        """A file of the move's folder as this machine sees it."""
        return self.world.path(node, f"{FOLDER}/{name}")


def move(world: World, cell: Cell) -> dict[str, float]:
    """Start the workload, move it once, take it away; seconds by name."""
    hand = Hand(world, cell)
    for node in (workload.SOURCE, workload.TARGET):
        shutil.rmtree(hand.place(node), ignore_errors=True)
        hand.place(node, "work").mkdir(parents=True)
        for name in ("held", "go", "done"):
            with contextlib.suppress(FileNotFoundError):
                world.path(node, f"{RUN}/{name}").unlink()
        for name in ("go", "done"):
            os.mkfifo(world.path(node, f"{RUN}/{name}"))
    try:
        _create(hand, NAME, workload.SOURCE, restore=False)
        pod = world.running_pod(NAME)
        hand.container = str(pod["status"]["containerStatuses"][0]["containerID"]).split("//")[1]
        return _observed(hand)
    finally:
        _clear(hand)


def _create(hand: Hand, name: str, node: str, *, restore: bool) -> None:
    body = workload.hand_pod(name, NAME, node, hand.cell.mebibytes, restore=restore)
    hand.world.api.call("POST", workload.pod_path(), body)


def _observed(hand: Hand) -> dict[str, float]:
    client = Client(hand.world, service(hand.world, NAME), workload.PORT)
    try:
        client.wait_for_answers(AFTER_ANSWERS)
        found = _moved(hand)
        client.wait_for_answers(AFTER_ANSWERS)
    finally:
        samples = client.stop()
    if len(gap.processes(samples)) != 1:
        raise BenchError(f"{len(gap.processes(samples))} processes answered; one was expected")
    return {**found, "gap": gap.longest_gap(samples), "sample_spacing": gap.spacing(samples)}


def _moved(hand: Hand) -> dict[str, float]:
    """The protocol, from the held target to the released source."""
    world, api = hand.world, hand.world.api
    asked = time.monotonic()
    _create(hand, TARGET_NAME, workload.TARGET, restore=True)
    held = _held(hand)
    if not hand.lazy:
        _start_page_server(hand)
    began = time.monotonic()
    hand.source(*_RUNC, "pause", hand.container)
    paused = time.monotonic()
    _dump(hand)
    dumped = time.monotonic()
    _carry(hand)
    carried = time.monotonic()
    _restore(hand)
    restored = time.monotonic()
    if hand.cell.owner == "StatefulSet":
        held = _take_name(hand, held)
    pid = world.path(workload.TARGET, held.pidfile).read_text()
    world.run(workload.TARGET, ["kill", "-CONT", pid])
    ended = time.monotonic()
    _release(hand)
    api.delete(
        workload.pod_path(NAME if hand.cell.owner != "StatefulSet" else TARGET_NAME), force=True
    )
    return {
        "freeze": ended - began,
        "prepare": began - asked,
        "pause": paused - began,
        "dump": dumped - paused,
        "carry": carried - dumped,
        "restore": restored - carried,
        "continue": ended - restored,
    }


def _held(hand: Hand) -> Held:
    """The container that waits on the target; forgets the word of it."""
    path = hand.world.path(workload.TARGET, f"{RUN}/held")
    wait_for("create to be held", path.exists, seconds=30, pause=_POLL_SECONDS)
    identity, pidfile = path.read_text().split()
    path.unlink()
    return Held(identity, pidfile)


def _start_page_server(hand: Hand) -> None:
    hand.spawn(
        workload.TARGET, "criu", "page-server", "-D", FOLDER, "-W", f"{FOLDER}/work",
        "--address", "0.0.0.0", "--port", str(_PORT), "-o", "page-server.log",  # noqa: S104
    )  # fmt: skip
    command = ["sh", "-c", f"ss -Hltn 'sport = :{_PORT}' | grep -q ."]
    argv = hand.world.argv(workload.TARGET, command)
    wait_for(
        "the page server",
        lambda: subprocess.run(argv, capture_output=True).returncode == 0,
        seconds=10,
        pause=0.02,
    )


def _dump(hand: Hand) -> None:
    """Stream to the target's page server, or return once criu serves pages."""
    where = ("--image-path", FOLDER, "--work-path", f"{FOLDER}/work", hand.container)
    # The client connects all the time, and without a shield some connection is always half made.
    argv = (*_RUNC, "checkpoint", "--leave-running", "--tcp-skip-in-flight", *_FIXED)
    if not hand.lazy:
        address = hand.world.node_ip(workload.TARGET)
        hand.source(*argv, "--page-server", f"{address}:{_PORT}", *where)
        return
    fifo = hand.place(workload.SOURCE, "status")
    os.mkfifo(fifo)
    lazy = (*argv, "--lazy-pages", "--page-server", f"0.0.0.0:{_PORT}", "--status-fd", "7", *where)
    child = hand.spawn(
        workload.SOURCE, "sh", "-c", 'exec 7>"$0"; exec "$@"', f"{FOLDER}/status", *lazy
    )
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while not _readable(reader):
            if child.poll() is not None:
                raise BenchError(f"runc checkpoint ended with {child.returncode}")
            time.sleep(_POLL_SECONDS)
    finally:
        os.close(reader)


def _readable(reader: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        return bool(os.read(reader, 1))
    return False


def _carry(hand: Hand) -> None:
    """CRIU's images but the pages, from node to node; PostCopy: then the fetching daemon."""
    if not hand.lazy:
        hand.children[0].wait(10)  # the page server ends once the dump closed its connection
    for path in hand.place(workload.SOURCE).iterdir():
        if path.suffix in (".img", ".json"):
            shutil.copyfile(path, hand.place(workload.TARGET, path.name))
    if hand.lazy:
        _fetch(hand)


def _fetch(hand: Hand) -> None:
    """Start the daemon that fetches pages on demand."""
    hand.spawn(
        workload.TARGET, "criu", "lazy-pages", "--page-server", "--address",
        hand.world.node_ip(workload.SOURCE), "--port", str(_PORT), "-D", FOLDER,
        "-W", f"{FOLDER}/work", "-o", "lazy.log",
    )  # fmt: skip
    socket = hand.place(workload.TARGET, "work/lazy-pages.socket")
    wait_for("lazy-pages", socket.exists, seconds=10, pause=_POLL_SECONDS)


def _restore(hand: Hand) -> None:
    """Let the held `create` restore, and wait for its answer."""
    lazy = "--lazy-pages" if hand.lazy else ""
    hand.world.path(workload.TARGET, f"{RUN}/go").write_text(f"{FOLDER} {lazy}\n")
    code = hand.world.path(workload.TARGET, f"{RUN}/done").read_text().strip()
    if code != "0":
        told = hand.world.path(workload.TARGET, f"{RUN}/restore.err").read_text()
        raise BenchError(f"runc restore ended with {code}: {told.strip()[-300:]}")


def _take_name(hand: Hand, rehearsal: Held) -> Held:
    """A kept name: source and rehearsal go, the same-named pod comes and is restored."""
    api = hand.world.api
    api.delete(workload.pod_path(NAME), force=True)
    hand.world.run(workload.TARGET, [*_RUNC, "kill", rehearsal.id, "KILL"])
    api.delete(workload.pod_path(TARGET_NAME), force=True)
    _create(hand, NAME, workload.TARGET, restore=True)
    if hand.lazy:
        _serve_again(hand)
    held = _held(hand)
    _restore(hand)
    return held


def _serve_again(hand: Hand) -> None:
    """Pages are served once; a second dump of the source, which stays frozen, serves the rest."""
    hand.source(*_RUNC, "pause", hand.container)  # criu left it to ptrace alone
    _end_children(hand)
    hand.children.clear()
    hand.place(workload.SOURCE, "status").unlink()
    with contextlib.suppress(FileNotFoundError):
        hand.place(workload.TARGET, "work/lazy-pages.socket").unlink()
    _dump(hand)
    _fetch(hand)


def _release(hand: Hand) -> None:
    """The source's tasks are killed once the target has every page."""
    for child in hand.children:
        try:
            code = child.wait(120)
        except subprocess.TimeoutExpired:
            raise BenchError("pages do not end to arrive after 120 s") from None
        if code:
            raise BenchError(f"{child.args!r} ended with {code}")
    with contextlib.suppress(BenchError):  # kubelet may have ended it where its pod went first
        hand.source(*_RUNC, "kill", hand.container, "KILL")
        hand.source(*_RUNC, "resume", hand.container)


def _clear(hand: Hand) -> None:
    """Nothing of the move is left, also of one that broke."""
    for node in (workload.SOURCE, workload.TARGET):
        fifo = hand.world.path(node, f"{RUN}/go")
        with contextlib.suppress(OSError):  # a create that still waits
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    _end_children(hand)
    if hand.container:
        with contextlib.suppress(BenchError):
            hand.source(*_RUNC, "kill", hand.container, "KILL")
        with contextlib.suppress(BenchError):
            hand.source(*_RUNC, "resume", hand.container)
    for pod in hand.world.pods(NAME):
        hand.world.api.delete(workload.pod_path(pod["metadata"]["name"]), force=True)
    hand.world.no_pods(NAME)


def _end_children(hand: Hand) -> None:
    for child in hand.children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait(10)
