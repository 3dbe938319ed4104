"""The lab's workload holds memory along a curve of its own running time, and tells how far."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import podferry.lab.images.static as static

SOURCES = Path(static.__file__).parent / "src"
pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
# Steps of a known length instead of a clock: reads milliseconds, prints running time and MiB held.
PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include "curve.h"
int main(int argc, char **argv) {
	if (curve_begin(argv[1]) < 0)
		return 2;
	for (int i = 2; i < argc; i++) {
		curve_go_on(atoll(argv[i]));
		printf("%lld %ld\\n", curve_ran(), curve_held());
	}
	return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curve")
    (folder / "main.c").write_text(PROGRAM)
    argv = ["gcc", "-std=gnu11", "-O2", f"-I{SOURCES}", "-o", str(folder / "curve")]
    subprocess.run([*argv, str(folder / "main.c"), str(SOURCES / "curve.c")], check=True)
    return folder / "curve"


def play(program: Path, curve: str, *steps: int) -> list[tuple[int, int]]:
    done = subprocess.run(
        [program, curve, *map(str, steps)], capture_output=True, text=True, check=True
    )
    return [(int(a), int(b)) for a, b in (line.split() for line in done.stdout.splitlines())]


def test_memory_lies_on_the_line_between_two_points(program: Path) -> None:
    assert play(program, "0,10 1,30", 0, 100, 150) == [(0, 10), (100, 12), (250, 15)]


def test_what_the_curve_gives_up_is_given_back(program: Path) -> None:
    assert play(program, "0,20 0.2,4", 0, 200) == [(0, 20), (200, 4)]


def test_the_last_point_stays(program: Path) -> None:
    assert play(program, "0,3 0.1,5", 200, 200)[-1] == (400, 5)


def test_a_freeze_does_not_make_the_curve_jump(program: Path) -> None:
    assert play(program, "0,0 10,1000", 100, 9000) == [(100, 10), (300, 30)]


def test_a_clock_that_goes_back_does_not_take_memory_away(program: Path) -> None:
    assert play(program, "0,0 10,1000", 100, -500) == [(100, 10), (100, 10)]


@pytest.mark.parametrize("curve", ["", "0", "0,x", "5,1 5,2", "0,1 1", "-1,2", "0,1 nan,2"])
def test_what_is_no_curve_is_refused(program: Path, curve: str) -> None:
    assert subprocess.run([program, curve], check=False).returncode == 2


def test_the_workload_holds_it_in_pages_of_its_own(tmp_path: Path) -> None:
    text = (SOURCES / "counter.c").read_text().replace("PORT = 9000,", "PORT = 0,")
    (tmp_path / "counter.c").write_text(text)
    argv = ["gcc", *static._FLAGS, f"-I{SOURCES}", "-o", str(tmp_path / "counter")]
    subprocess.run([*argv, str(tmp_path / "counter.c"), str(SOURCES / "curve.c")], check=True)
    env = os.environ | {"MB": "1", "CURVE": "0,40"}
    with subprocess.Popen(
        [tmp_path / "counter"], stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        deadline = time.monotonic() + 30
        while resident(process.pid) < 40 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert 40 <= resident(process.pid) < 60
        process.send_signal(signal.SIGTERM)


def resident(pid: int) -> float:
    """Anonymous memory of a process [MiB]."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0
