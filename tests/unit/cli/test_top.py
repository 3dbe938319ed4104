"""`podferry top` shows nodes and pods, the most urgent first."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from podferry.api.clock import FakeClock
from podferry.cli import insight_words as words
from podferry.cli import top
from podferry.cli.main import cli
from podferry.kube import errors
from tests.fakes.insight import insight, pod
from tests.unit.cli import leader
from tests.unit.cli.conftest import Cluster

Object = dict[str, Any]


def call(cluster: Cluster, *args: str) -> Result:
    return CliRunner().invoke(cli, ["top", *args, "--kubeconfig", str(cluster.kubeconfig)])


def drawn(told: Object, shown: str = "all", node: str = "", height: int = 50) -> str:
    out = io.StringIO()
    Console(file=out, width=160, height=height).print(top.screen(told, shown, node, height))
    return out.getvalue()


def test_one_table_each_where_there_is_no_terminal(cluster: Cluster) -> None:
    leader.tell(cluster, insight())
    done = call(cluster)
    assert done.exit_code == 0, done.output
    assert [" ".join(line.split()) for line in done.stdout.splitlines()] == [
        "NODE STATE AVAILABLE EVICTS BELOW HEADROOM SLOPE EXHAUSTED IN STALLED BOOKED IN TOLD",
        "node-a WouldMove 312 MiB 100 MiB 212 MiB +2.1 MiB/s 100 s (80 s to 140 s) 12.0 / 5.5 % "
        "0 MiB 1.2 s ago",
        "node-c unknown - - - - - - - -, no report",
        "node-b fine 3000 MiB 100 MiB 2836 MiB 0 - - 64 MiB 1.2 s ago",
        "node-d fine 3000 MiB 100 MiB 2900 MiB 0 - - 0 MiB 1.2 s ago",
        "",
        "POD NODE WORKING SET RSS SLOPE FREEZE MOVE P95 VERDICT",
        "shop/web node-a 700 MiB 650 MiB +2.0 MiB/s 0.9 s 6.5 s can move",
        "shop/db node-a 700 MiB 900 MiB 0 0.9 s 6.5 s stays: podferry.dev/exclude",
        "shop/cache node-b 700 MiB 650 MiB 0 0.9 s 6.5 s last: prefers no eviction",
    ]


def test_nodes_alone_do_not_ask_for_the_pods(cluster: Cluster) -> None:
    leader.tell(cluster, insight())
    assert "POD" not in call(cluster, "nodes").stdout
    assert cluster.server.requests[-1].query == {"parts": "nodes,policies"}


def test_pods_of_one_node(cluster: Cluster) -> None:
    leader.tell(cluster, insight())
    lines = call(cluster, "pods", "--node", "node-b").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["POD", "shop/cache"]
    assert cluster.server.requests[-1].query["node"] == "node-b"


def test_the_pod_that_grows_fastest_is_on_top_then_the_largest(cluster: Cluster) -> None:
    told = [
        pod("shop/small", "node-a", workingSetBytes=1.0),
        pod("shop/large", "node-a"),
        pod("shop/slow", "node-a", slopeBytesPerSecond=5000),
        pod("shop/fast", "node-a", slopeBytesPerSecond=9000),
    ]
    leader.tell(cluster, {**insight(), "pods": told})
    lines = call(cluster, "pods").stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [
        "shop/fast",
        "shop/slow",
        "shop/large",
        "shop/small",
    ]


def test_json_is_what_the_leader_told(cluster: Cluster) -> None:
    leader.tell(cluster, insight())
    assert json.loads(call(cluster, "-o", "json").stdout) == insight()


def test_a_node_that_nobody_watches_is_an_error(cluster: Cluster) -> None:
    leader.tell(cluster, insight())
    done = call(cluster, "--node", "node-x")
    assert (done.exit_code, "no node node-x is watched" in done.stderr) == (1, True)


def test_policies_of_which_none_is_valid_are_as_good_as_none(cluster: Cluster) -> None:
    broken = {"name": "p", "mode": "Act", "valid": False, "message": "m", "model": "", "nodes": []}
    leader.tell(cluster, {**insight(), "policies": [broken]})
    assert "podferry: no RescuePolicy is valid, so agents are not asked" in call(cluster).stderr


def test_on_a_terminal_it_is_live_until_ctrl_c_which_is_no_failure(cluster: Cluster) -> None:
    leader.tell(cluster, insight())
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "podferry.cli.main", "top"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "TERM": "xterm"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.close(theirs)
    seen = b""
    while seen.count(b"shop/cache") < 2:  # drawn, and drawn again
        seen += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    os.close(ours)


def test_the_screen_leaves_out_what_has_no_room_and_says_so() -> None:
    told = insight()
    told["pods"] = [pod(f"shop/p{number}", "node-a") for number in range(40)]
    text = drawn(told, "pods", height=20)
    assert len(text.splitlines()) <= 20
    assert text.count("shop/p") + int(text.split("and ")[1].split()[0]) == 40
    assert "--once shows all" in text


def test_the_screen_names_the_leader_and_what_went_wrong() -> None:
    out = io.StringIO()
    told = {**insight(), "policies": []}
    Console(file=out, width=120).print(top.screen(told, "all", "", 40, "no answer for 3 s: gone"))
    assert "podferry-controller-1" in out.getvalue()
    assert "no RescuePolicy: nothing is asked, nothing would be done" in out.getvalue()
    assert "no answer for 3 s: gone" in out.getvalue()


class Flaky:
    """Answers once, then nothing for as long as the test wants; time passes with each try."""

    def __init__(self, clock: FakeClock, tries: int) -> None:
        self.clock, self.tries = clock, tries

    async def ask(self, *, node: str, parts: tuple[str, ...]) -> Object:
        self.clock.advance(10.0)
        self.tries -= 1
        if self.tries:
            raise errors.ConnectionFailed("the connection failed")
        raise KeyboardInterrupt


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "PERIOD_SECONDS", 0.0)


async def followed(flaky: Flaky) -> str:
    out = io.StringIO()
    console = Console(file=out, width=120, height=40, force_terminal=True)
    try:
        await top.follow(
            flaky,  # type: ignore[arg-type]
            insight(),
            console,
            flaky.clock,
            shown="all",
            node="",
        )
    except KeyboardInterrupt:
        return out.getvalue()
    raise AssertionError("it ended by itself")


@pytest.mark.usefixtures("at_once")
async def test_a_live_display_outlives_a_leader_that_is_away_for_a_while() -> None:
    assert "no answer for 30 s: the connection failed" in await followed(Flaky(FakeClock(), 4))


@pytest.mark.usefixtures("at_once")
async def test_a_live_display_ends_when_nothing_came_for_a_minute() -> None:
    with pytest.raises(errors.ConnectionFailed):
        await followed(Flaky(FakeClock(), 100))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (words.size(None), "-"),
        (words.size(0), "0 MiB"),
        (words.size(12.5 * words.GIB), "12.5 GiB"),
        (words.rate(-3 * words.MIB), "-3.0 MiB/s"),
        (words.rate(40 * words.KIB), "+40 KiB/s"),
        (words.rate(100.0), "0"),
        (words.time(0.0), "now"),
        (words.time(4.25), "4.2 s"),
        (words.time(3000.0), "50 min"),
        (words.time(12600.0), "3.5 h"),
    ],
)
def test_numbers_have_units_and_zero_is_not_unknown(said: str, meant: str) -> None:
    assert said == meant
