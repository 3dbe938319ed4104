"""The same seed gives the same events: prepared or not, as machine code or as plain Python."""

from __future__ import annotations

import os
import subprocess
import sys

from podferry.simulator.engine import run
from podferry.simulator.layout import prepare
from tests.simulator_reference import cases

CASES = (3, 11, 36)


def test_what_is_prepared_once_serves_all_seeds() -> None:
    scenario = cases.scenario(7)
    shared = prepare(scenario)
    once = [run(shared, seed, events=True) for seed in (1, 2, 1)]
    assert once[0] == once[2] == run(scenario, 1, events=True)
    assert once[0] != once[1]


def test_events_do_not_change_a_run() -> None:
    scenario = cases.scenario(11)
    told, silent = run(scenario, 5, events=True), run(scenario, 5)
    assert told.events
    assert not silent.events
    assert (told.evictions, told.oom_kills, told.end) == (
        silent.evictions,
        silent.oom_kills,
        silent.end,
    )


def test_machine_code_and_plain_python_give_the_same_bits() -> None:
    code = (
        "from podferry.simulator.engine import run\n"
        "from tests.simulator_reference import cases\n"
        f"print([run(cases.scenario(k), k, events=True) for k in {CASES}])\n"
    )
    plain = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert plain.stdout.strip() == str([run(cases.scenario(k), k, events=True) for k in CASES])
