"""Nonsense for every parser of what another party sent; used by the tests and by `make fuzz`.

Each target takes a random source and raises AssertionError, or whatever escaped, on a defect.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import struct
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from podferry.agent import archive, files, machine, pagemap, uploads
from podferry.agent.errors import AgentError, Refused
from podferry.agent.store import Store, check_key
from podferry.api import serde
from podferry.api.errors import PreconditionError
from podferry.api.migration import Decision
from podferry.controller.core import strays
from podferry.controller.webhooks import mutate
from podferry.runtime_wrapper import page_receiver
from podferry.wire.memory import BadReport, Report
from podferry.wire.stages import Observed, Order, Role, SourceStage, TargetStage, Verdict

NAMES = ["a", "b", "a/b", "a/b/c", "./a", "a/.", "../x", "/abs", "a/../../x", ".", "", "link"]
NAMES += ["link/x", "a" * 300, "d/" * 3000, "nul\0x", "\udcff", ".wh.a"]
KINDS = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE]
KINDS += [tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"Z"]
NUMBERS: list[Any] = [
    0,
    1,
    -1,
    4096,
    1 << 31,
    1 << 63,
    1 << 64,
    1 << 80,
    float("inf"),
    float("nan"),
]
WORDS = ["", "x", "..", "../../etc", "Committed", "RolledBack", "Undecided", "Resumed", "Frozen"]
WORDS += ["source", "target", "Working", "\0", "\ud800", "9" * 5000]
DECLARED = (archive.ArchiveError, AgentError, Refused)


def value(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON value, and what json.loads makes of NaN and Infinity."""
    kind = rng.randrange(7 if depth else 4)
    if kind < 2:
        return rng.choice([None, True, False, *NUMBERS, *WORDS])
    if kind < 4:
        return rng.choice(WORDS)
    if kind == 4:
        return [value(rng, depth - 1) for _ in range(rng.randrange(3))]
    return {rng.choice(WORDS): value(rng, depth - 1) for _ in range(rng.randrange(3))}


def tar_bytes(rng: random.Random) -> bytes:
    """A stream of hostile entries, then perhaps bytes changed or cut."""
    out = io.BytesIO()
    form = rng.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
    for _ in range(rng.randrange(1, 7)):
        info = tarfile.TarInfo(rng.choice(NAMES))
        info.type, info.linkname = rng.choice(KINDS), rng.choice([*NAMES, "/etc/passwd", "../out"])
        info.mode, info.uid, info.gid = rng.choice([0o644, 0o4755, 0]), os.getuid(), os.getgid()
        body = rng.choice([b"", b"x", b"{}", bytes(70_000), json.dumps(value(rng)).encode()])
        info.size = len(body)
        if form == tarfile.PAX_FORMAT and rng.random() < 0.4:
            key = rng.choice(["size", "uid", "mtime", "path", "GNU.sparse.major", "GNU.sparse.map"])
            info.pax_headers = {
                rng.choice([key, "PODFERRY.xattr.user.x", "PODFERRY.xattr.trusted.x"]): rng.choice(
                    ["-5", "1", "9" * 30, "nan", "inf", "!!", "../x", "a/../..", "eA=="]
                )
            }
        with contextlib.suppress(ValueError, OverflowError, UnicodeError):
            out.write(info.tobuf(form, "utf-8", "surrogateescape"))
            out.write(body + bytes(-len(body) % 512))
    out.write(bytes(1024))
    return damaged(rng, out.getvalue())


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The same, as it is half of the time, or with bytes changed, or cut off."""
    changed = bytearray(data)
    if rng.random() < 0.3 and changed:
        for _ in range(rng.randrange(1, 8)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[: rng.randrange(len(changed) + 1)] if rng.random() < 0.2 else changed)


@contextlib.contextmanager
def guarded() -> Any:
    """A target folder beside a file that must stay as it is, and alone."""
    with tempfile.TemporaryDirectory() as base:
        inner, out = Path(base, "in"), Path(base, "out")
        for folder in (inner, out, inner / "images", inner / "streams"):
            folder.mkdir()
        (out / "kept").write_text("kept")
        (inner / "link").symlink_to("../out")
        (inner / "images" / "a").symlink_to("../../out")
        yield inner
        assert sorted(os.listdir(base)) == ["in", "out"]
        assert os.listdir(out) == ["kept"]
        assert (out / "kept").read_text() == "kept"


def unpack(rng: random.Random) -> None:
    with guarded() as folder, contextlib.suppress(archive.ArchiveError):
        archive.unpack(io.BytesIO(tar_bytes(rng)), str(folder), overlay=rng.random() < 0.5)


def unpack_flat(rng: random.Random) -> None:
    with guarded() as folder, contextlib.suppress(archive.ArchiveError):
        archive.unpack_flat(io.BytesIO(tar_bytes(rng)), f"{folder}/images")


def upload(rng: random.Random) -> None:
    out = io.BytesIO()
    raw = {"images": value(rng), "streams": value(rng), "bytes": rng.choice([0, 10, "x", -1, None])}
    text = json.dumps(rng.choice([raw, value(rng)])).encode()
    with tarfile.open(fileobj=out, mode="w|") as tar:
        info = tarfile.TarInfo("x.json")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    data = damaged(rng, out.getvalue())
    with guarded() as folder, contextlib.suppress(*DECLARED):
        take = rng.choice([uploads.reader(str(folder), "images", "manifest"), uploads.expected])
        take(io.BytesIO(data))
        uploads.check_complete(str(folder), bytes(32), "x.1")


def memory_map(rng: random.Random) -> None:
    data = b"h" * 8
    for _ in range(rng.randrange(4)):
        body = rng.randbytes(rng.choice([0, 0, 3, 20])) or b"\x08" + b"\xff" * 9000 + b"\x01"
        data += struct.pack("<I", rng.choice([len(body), 0, 1 << 31])) + body
    with guarded() as folder, contextlib.suppress(AgentError):
        (folder / "images" / "pagemap-1.img").write_bytes(damaged(rng, data))
        pagemap.check(f"{folder}/images")


class Bytes:
    """A peer of the page receiver that proved to be an agent."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, into: memoryview) -> None:
        if self._data.readinto(into) != len(into):
            raise page_receiver.Broken("early end")

    def send(self, data: bytes) -> None:
        pass


def receive(rng: random.Random) -> None:
    data = b""
    for _ in range(rng.randrange(8)):
        word = rng.choice([4, 5, 6, 6 | 4 << 16, 0x1023, rng.randrange(1 << 32)])
        pages = rng.choice([0, 1, 3, 1 << 40, (1 << 64) - 1])
        image = rng.choice([1, 2, 0x101, 0xFFFFFFFFFFFFFF01, rng.randrange(1 << 64)])
        data += page_receiver.IOV.pack(word, pages, rng.randrange(1 << 64), image)
        data += bytes(4096 * (pages if word >> 16 and pages < 9 else 0))
    with guarded() as folder:
        images = page_receiver.Images(f"{folder}/images")
        with contextlib.suppress(page_receiver.Broken):
            page_receiver.receive(cast(Any, Bytes(data)), images)
        for fd in (images._map, images._pages):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
        for name in os.listdir(f"{folder}/images"):
            assert name == "a" or name.startswith(("pagemap-", "pages-"))


def read_json(rng: random.Random) -> None:
    text = rng.choice([json.dumps(value(rng)).encode(), rng.randbytes(20), b"[" * 100_000])
    with guarded() as folder, contextlib.suppress(ValueError):
        (folder / "x.json").write_bytes(damaged(rng, text))
        files.read_json(f"{folder}/x.json")


def raw_order(rng: random.Random) -> dict[str, Any]:
    raw = Order("u-1", 1, Role.SOURCE, "Frozen").to_dict()
    for _ in range(rng.randrange(3)):
        raw[rng.choice(list(raw))] = value(rng)
    return raw


def wire(rng: random.Random) -> None:
    with contextlib.suppress(ValueError):
        order = Order.from_dict(raw_order(rng))
        with contextlib.suppress(Refused):
            check_key(order.migration, order.attempt)
            assert "/" not in order.migration
    seen = Observed("u-1", 1, Role.SOURCE, "", "Frozen", machine.Progress.WORKING).to_dict()
    for _ in range(rng.randrange(3)):
        seen[rng.choice(list(seen))] = value(rng)
    with contextlib.suppress(ValueError, KeyError):
        Observed.from_dict(seen)


def load(rng: random.Random) -> None:
    with guarded() as folder:
        store = Store(str(folder))
        side = folder / "attempts" / "u-1.1" / "source"
        side.mkdir(parents=True)
        (side / "order.json").write_bytes(damaged(rng, json.dumps(raw_order(rng)).encode()))
        (side / "observed.json").write_bytes(json.dumps(value(rng)).encode())
        with contextlib.suppress(ValueError, KeyError):
            store.load()


def ruling(rng: random.Random) -> None:
    """Orders in any order: no resume without Committed, no thaw after it."""
    role, state = rng.choice(list(Role)), None
    stages: list[str] = [s.value for s in (SourceStage if role is Role.SOURCE else TargetStage)]
    for _ in range(rng.randrange(1, 12)):
        order = Order("u", rng.randrange(1, 3), role, rng.choice(stages), rng.choice(list(Verdict)))
        with contextlib.suppress(Refused):
            before = state
            ruled, state = machine.rule(state, order, highest=before.order.attempt if before else 0)
            if ruled is machine.Ruling.WORK and order.stage in ("Resumed", "Released"):
                assert Verdict.COMMITTED in (order.verdict, state.order.verdict)
            if ruled is machine.Ruling.WORK and rng.random() < 0.8:
                seen = machine.replace(
                    state.observed, stage=order.stage, progress=machine.Progress.REACHED
                )
                state = machine.replace(state, observed=seen)


def migration(rng: random.Random) -> None:
    ref = {"kind": "Pod", "name": "x"}
    raw: dict[str, Any] = {"metadata": {}, "spec": {"workloadRef": ref}, "status": {}}
    part = rng.choice(["metadata", "spec", "status"])
    fields = ["generation", "finalizers", "decision", "attempt", "claim", "copy", "prediction"]
    if rng.random() < 0.3:
        raw[part] = value(rng)
    else:
        raw[part][rng.choice(fields)] = value(rng)
    with contextlib.suppress(PreconditionError):
        found = serde.parse_migration(raw)
        if found.status.decision is Decision.UNDECIDED:
            status = raw["status"]
            assert status is None or status.get("decision") in (None, "Undecided")


def annotations(rng: random.Random) -> None:
    """A tenant's pod with annotations of ours is refused, never pinned or restored."""
    keys = ["restore", "restore-role", "claim", "detached-labels", "migration", "source"]
    notes = {f"podferry.dev/{k}": rng.choice([*WORDS, "[" * 90_000]) for k in rng.sample(keys, 3)}
    meta = {"name": "p", "namespace": "n", "uid": "u", "annotations": notes}
    pod = {"metadata": meta, "spec": {"containers": []}}
    plan = mutate.judge(pod, [], by_controller=False)
    carried = mutate.restore_annotations(pod)
    assert plan.allowed == (not carried)
    if plan.allowed:
        assert "affinity" not in mutate.patched(pod, plan, "t")["spec"]
    for action in strays.find([pod], {"someone"}):
        assert (action.namespace, action.pod, action.uid) == ("n", "p", "u")


def memory_report(rng: random.Random) -> None:
    """What is taken is finite, and the same once more."""
    pod = {"uid": "u", "workingSet": 1, "rss": 1, "slope": 0, "age": 1, "samples": [[1, 2]]}
    raw: dict[str, Any] = {
        **dict.fromkeys(("node", "bootID", "evictionSource", "why"), "x"),
        **dict.fromkeys(("seq", "started", "age", "interval", "capacity"), 1),
        **dict.fromkeys(("available", "eviction", "slope"), 1.5),
        "samples": [[2, 1], [1, 2]],
        "pods": [pod],
    }
    for _ in range(rng.randrange(4)):
        part = rng.choice([raw, pod])
        part[rng.choice(list(part))] = value(rng)
    with contextlib.suppress(BadReport):
        found = Report.from_dict(rng.choice([raw, value(rng)]))
        assert all(abs(size) <= 2**50 for _, size in found.samples)
        assert Report.from_dict(json.loads(json.dumps(found.to_dict()))).seq == found.seq


TARGETS: dict[str, Callable[[random.Random], None]] = {
    "memory report": memory_report,
    "archive.unpack": unpack,
    "archive.unpack_flat": unpack_flat,
    "uploads": upload,
    "pagemap.check": memory_map,
    "page_receiver.receive": receive,
    "files.read_json": read_json,
    "wire.from_dict": wire,
    "store.load": load,
    "machine.rule": ruling,
    "serde.parse_migration": migration,
    "pod annotations": annotations,
}
