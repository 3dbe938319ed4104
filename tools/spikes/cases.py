"""What kill_criu.py measures, one function a case. Runs on the lab node, on the agent's own `ops`.

Each case starts a workload, disturbs its dump, and returns one row: what was read, never a verdict.
Times are seconds of CLOCK_MONOTONIC. `ran_*` is true when the workload's threads ran.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from podferry.agent.ops import deadman, dump, thaw
from tools.spikes.bench import HOST, Bench, Run, Sampler
from tools.spikes.pages import Client

Row = dict[str, Any]
_WATCH_SECONDS = 1.0
_DEAD_MAN_SECONDS = 4  # later than the fault of each case


def lazy_kill(bench: Bench, number: int, *, share: float, agent_writes: bool) -> Row:
    """Kill criu while it serves, after `share` of the pages went out."""
    with bench.run(number, lazy=True) as run, Sampler(run.source) as sampler:
        run.start()
        wrote = _wait_ready(run, agent_writes=agent_writes)
        client = Client(run.port, run.folder / "images")
        client.fetch(share)
        ran_before = run.source.beats() != run.source_beats
        before = run.freezer()
        run.kill()
        killed = time.monotonic()
        run.wait_code()
        row = {**wrote, "pages": client.fetched, "of": client.total, "before": before}
        row |= {"ran_before_kill": ran_before, **_after(run, sampler, killed)}
        client.close()
        return row | _alive_again(run)


def lazy_end(
    bench: Bench, number: int, *, agent_writes: bool, share: float = 1.0, tls: bool = False
) -> Row:
    """Let a lazy dump end by itself: as it should, or on a connection that breaks after `share`."""
    with bench.run(number, lazy=True, tls=tls) as run, Sampler(run.source) as sampler:
        run.start()
        wrote = _wait_ready(run, agent_writes=agent_writes)
        client = Client(run.port, run.folder / "images", bench.tls if tls else None)
        client.fetch(share)
        before = run.freezer()
        if share == 1.0:
            client.finish()
        else:
            client.close()
        code = run.wait_code()
        ended = time.monotonic()
        row = {**wrote, "pages": client.fetched, "of": client.total, "before": before, "rc": code}
        return row | _after(run, sampler, ended) | _alive_again(run)


def refreeze(bench: Bench, number: int, *, delay: float, lazy: bool) -> Row:
    """Kill criu `delay` seconds after it began to hold the tasks, then write FROZEN again."""
    with bench.run(number, lazy=lazy) as run, Sampler(run.source) as sampler:
        reader = _open_status(run) if lazy else None
        run.start()
        _until_thawed(run)
        time.sleep(delay)
        ran_before = run.source.beats() != run.source_beats
        before, states = run.freezer(), run.source.task_states()
        run.kill()
        killed = time.monotonic()
        row: Row = {"before": before, "states": states, "ran_before_kill": ran_before}
        row |= {"rc": run.wait_code(), "after_kill": run.freezer()}
        row["ran_after_kill"] = run.source.runs(0.05)
        row["wrote"] = run.source.cgroup.freeze()
        wrote = time.monotonic()
        row["ran_until_write"] = round(wrote - killed, 4)
        row |= _after(run, sampler, wrote)
        if reader is not None:
            os.close(reader)
        return row | _alive_again(run)


def poll(bench: Bench, number: int, *, lazy: bool) -> Row:
    """Read the freezer every millisecond during a dump that nobody disturbs."""
    with bench.run(number, lazy=lazy) as run:
        with Sampler(run.source) as sampler:
            began = time.monotonic()
            run.start()
            if lazy:
                run.ready()
                ready = time.monotonic() - began
                client = Client(run.port, run.folder / "images")
                client.fetch(1.0)
                client.finish()
            code = run.wait_code()
            ended = time.monotonic()
        if code != 0:
            raise RuntimeError(f"the dump failed: {dump.explain(HOST, run.spec, 1)}")
        row: Row = {"rc": code, "dump": round(ended - began, 4), "at_end": run.freezer()}
        row |= {"samples": len(sampler.samples), "gap": round(sampler.gap(), 5)}
        if lazy:
            row["ready"] = round(ready, 4)
        row |= {
            "thawed": round(sampler.seconds_of("THAWED", run.frozen_at), 4),
            "words": sampler.words(run.frozen_at),
            "states_thawed": sampler.states_while("THAWED", run.frozen_at),
            "states_frozen": sampler.states_while("FROZEN", run.frozen_at),
            "ran": run.source.beats() != run.source_beats,
        }
        return row | _alive_again(run)


def dead_man(bench: Bench, number: int, *, fault: str, delay: float, agent: bool) -> Row:
    """Let the dead-man (or the agent's thaw) act on a dump with a fault.

    `killed`: criu killed, FROZEN written again. `hanging`: criu stopped in the dump. `serving`:
    criu serves pages. `orphan`: the same, its runc killed.
    """
    with bench.run(number, lazy=fault in ("serving", "orphan")) as run:
        folder = str(run.folder)
        if not agent:
            deadman.arm(HOST, folder, run.source.cgroup, _DEAD_MAN_SECONDS, f"{folder}/hold")
        with Sampler(run.source) as sampler:
            _break(run, fault, delay)
            before, early = run.freezer(), (run.folder / "FATE").exists()
            began = time.monotonic()
            if agent:
                acted: Any = thaw.thaw(HOST, run.source.cgroup, folder)
            else:
                acted = _wait_number(run.folder / "deadman.rc")
            done = time.monotonic()
            row: Row = {
                "before": before,
                "early": early,
                "acted": acted,
                "took": round(done - began, 4),
            }
            row["runs"] = run.source.runs(1.0)
            time.sleep(2.0)
            words = sampler.words(done)
        row |= {"words": words, "runs_2s_later": run.source.runs(1.0)}
        row["criu_left"] = sorted(thaw.tracers(run.source.cgroup))
        return row | {"wrong_words": run.source.wrong_words(), "threads": _threads(run)}


def _break(run: Run, fault: str, delay: float) -> None:
    run.start()
    if fault in ("serving", "orphan"):
        dump.wait(HOST, run.spec, run.source.cgroup, seconds=20)
        if fault == "orphan":
            runc = int((run.folder / "dump.pid").read_text())
            os.kill(runc, signal.SIGKILL)
            run.wait_code()
        return
    _until_thawed(run)
    time.sleep(delay)
    run.kill(stop=fault == "hanging")
    if fault == "killed":
        run.wait_code()
        run.source.cgroup.freeze()


def _wait_ready(run: Run, *, agent_writes: bool) -> Row:
    """Reach "ready" with the agent's own wait, which writes FROZEN, or without that write."""
    if not agent_writes:
        run.ready()
        return {"at_ready": run.freezer(), "states": run.source.task_states()}
    dump.wait(HOST, run.spec, run.source.cgroup, seconds=20)
    return {"at_ready": run.freezer(), "states": run.source.task_states()}


def _after(run: Run, sampler: Sampler, since: float) -> Row:
    """One second after `since`: the freezer's words and whether the workload ran."""
    time.sleep(0.02)
    first = run.source.beats()
    time.sleep(_WATCH_SECONDS)
    last = run.source.beats()
    return {
        "words": sampler.words(since),
        "states_after": run.source.task_states(),
        "ran_since_freeze": last != run.source_beats,
        "ran_after": last != first,
        "beats_in_1s": last[0] - first[0],
    }


def _alive_again(run: Run) -> Row:
    """Thaw as the agent does; whether the workload runs, and its memory."""
    thawed = thaw.thaw(HOST, run.source.cgroup, str(run.folder))
    return {
        "thaw": thawed,
        "runs_again": run.source.runs(1.0),
        "wrong_words": run.source.wrong_words(),
        "threads": _threads(run),
    }


def _until_thawed(run: Run) -> None:
    deadline = time.monotonic() + 20
    while run.freezer() != "THAWED":
        if time.monotonic() > deadline:
            raise RuntimeError("criu never wrote THAWED")
        time.sleep(0.0005)


def _open_status(run: Run) -> int:
    """A reader of the status FIFO: without one the dump would wait before it begins."""
    path = run.folder / "status"
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def _wait_number(path: Path, seconds: float = 30.0) -> int | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(path.read_text())
        time.sleep(0.002)
    return None


def _threads(run: Run) -> int:
    return len(run.source.task_states())
