"""The client beside a move: runs `client.py` in the lab and judges its records.

Owns the client's process. The judging is pure: `longest_gap` and `processes`.
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from podferry.lab.cluster.model import CONTROL
from tools.bench.api import wait_for
from tools.bench.world import World

PROGRAM = Path(__file__).with_name("client.py")
INTERVAL_SECONDS = 0.004
"""A new connection that often: at most 5 ms with what the client itself needs."""
PATIENCE_SECONDS = 0.1
"""A sample that has no answer by then is given up; others go on beside it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: begin and end [s, monotonic]; `boot` names the process, empty if it failed."""

    begin: float
    end: float
    boot: str


def parse(lines: Sequence[str]) -> list[Sample]:
    """Samples from the client's lines `BEGIN END BOOT|!reason`."""
    found = []
    for line in lines:
        words = line.split()
        if len(words) >= 3:
            boot = "" if words[2].startswith("!") else words[2]
            found.append(Sample(float(words[0]), float(words[1]), boot))
    return found


def longest_gap(samples: Sequence[Sample]) -> float:
    """Longest time between two successful answers that follow each other [s]."""
    ends = sorted(sample.end for sample in samples if sample.boot)
    return max((after - before for before, after in itertools.pairwise(ends)), default=0.0)


def spacing(samples: Sequence[Sample]) -> float:
    """Longest time between two samples' beginnings [s]: how finely was looked."""
    begins = sorted(sample.begin for sample in samples)
    return max((after - before for before, after in itertools.pairwise(begins)), default=0.0)


def processes(samples: Sequence[Sample]) -> set[str]:
    """Processes that answered; a workload that was moved and not restarted stays one."""
    return {sample.boot for sample in samples if sample.boot}


class Client:
    """The client while it runs in the box `control`, neither source nor target."""

    def __init__(self, world: World, address: str, port: int) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - until `stop`
        command = ["python3", "-I", "-c", PROGRAM.read_text(), address, str(port)]
        command += [str(INTERVAL_SECONDS), str(PATIENCE_SECONDS)]
        self._process = subprocess.Popen(
            world.argv(CONTROL, command),
            stdin=subprocess.PIPE,
            stdout=self._file,
            stderr=subprocess.DEVNULL,
            preexec_fn=world.joining(CONTROL),
            start_new_session=True,  # a Ctrl-C is for the bench, which then ends its client
        )

    def wait_for_answers(self, number: int, *, seconds: float = 60.0) -> None:
        """Return once `number` more answers came. Raises TimeoutError."""
        before = self._answers()
        what = f"{number} answers of the workload"
        wait_for(what, lambda: self._answers() >= before + number, seconds=seconds)

    def stop(self) -> list[Sample]:
        """End the client; everything that it saw."""
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin:
                self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        samples = parse(self._lines())
        self._file.close()
        return samples

    def _answers(self) -> int:
        return sum(1 for sample in parse(self._lines()) if sample.boot)

    def _lines(self) -> list[str]:
        with open(f"/proc/self/fd/{self._file.fileno()}", "rb") as file:
            text = file.read().decode()
        return text[: text.rfind("\n") + 1].splitlines()
