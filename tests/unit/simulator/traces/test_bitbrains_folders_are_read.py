"""The Grid Workloads Archive's format and its oddities, on a small copy and on the real one."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from podferry.simulator import traces
from podferry.simulator.model import GIB
from podferry.simulator.traces.bitbrains import COLUMNS

REAL = "bitbrains-rnd/2013-08-20_3d"


def row(time: int, provisioned: float, used: float, cores: int = 2) -> str:
    cells = [time, cores, 5851.9, 9.7, 0.1, provisioned, used, 0, 0.4, 0, 0]
    return ";\t".join(map(str, cells))


def machine(folder: Path, name: str, *rows: str) -> None:
    (folder / name).write_bytes(gzip.compress("\n".join([";\t".join(COLUMNS), *rows]).encode()))


def test_kilobytes_seconds_and_the_largest_provision_are_read(tmp_path: Path) -> None:
    machine(tmp_path, "1.csv.gz", row(1376956910, 4096, 1024), row(1376957210, 8192, 2048))
    machine(tmp_path, "2.csv.gz", row(1376956940, 1024, 10))
    first, second = traces.load(str(tmp_path)).pods
    assert (first.name, first.arrival, first.times) == ("1", 0.0, (0.0, 300.0))
    assert first.memory == (1024 * 1024.0, 2048 * 1024.0)
    assert first.request == 8192 * 1024.0
    assert first.cpu == 2.0
    assert first.lifetime == 600.0
    assert second.arrival == 30.0


def test_of_two_samples_in_one_second_the_larger_counts(tmp_path: Path) -> None:
    machine(
        tmp_path, "1.csv.gz", row(100, 10, 5), row(100, 10, 7), row(100, 10, 6), row(400, 10, 1)
    )
    (pod,) = traces.load(str(tmp_path)).pods
    assert pod.memory == (7 * 1024.0, 1024.0)


@pytest.mark.skipif(not os.environ.get(traces.FOLDER), reason=f"{traces.FOLDER} names no folder")
def test_the_real_folder_is_read() -> None:
    trace = traces.load(REAL)
    assert len(trace.pods) == 500
    assert trace.step == 300
    assert round(sum(pod.request for pod in trace.pods) / GIB) == 4263
    assert "CCGrid 2015" in trace.source
