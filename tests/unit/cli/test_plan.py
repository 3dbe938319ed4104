"""`podferry plan` prints what the leader would do, each candidate with its reason."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from podferry.cli import plan_text
from podferry.cli.main import cli
from tests.fakes.insight import MIB, insight, policy_node
from tests.unit.cli import leader
from tests.unit.cli.conftest import Cluster

Object = dict[str, Any]


def call(cluster: Cluster, *args: str) -> Result:
    return CliRunner().invoke(cli, ["plan", *args, "--kubeconfig", str(cluster.kubeconfig)])


def plan(told: Object, node: str = "") -> str:
    return "\n".join(plan_text.lines(told, node))


def test_a_plan_tells_the_forecast_the_candidates_the_targets_and_the_move() -> None:
    assert plan(insight()).splitlines() == [
        "seen by podferry-controller-1 at 2026-01-01T00:00:00Z",
        "policy default (DryRun), times from prior (no move measured yet)",
        "",
        "node-a   312 MiB available of 4096 MiB, kubelet evicts below 100 MiB (kubelet.yaml)",
        "  forecast    used memory +2.1 MiB/s; exhausted in 100 s (90 %: 80 s to 140 s)",
        "  stalled     12.0 / 5.5 % of the last 10 s / 60 s for want of memory",
        "  decided     WouldMove by policy default: used up in 100 s, a move takes 6.5 s",
        "  needs       512 MiB less on it",
        "    POD        SCORE   CHOSEN   WORKING SET   SLOPE        FREEZE   MOVE P95   WHY",
        "    shop/web   0.91    yes      700 MiB       +2.0 MiB/s   0.9 s    6.5 s"
        "      grows fastest",
        "    shop/db    -       no       700 MiB       0            0.9 s    6.5 s"
        "      podferry.dev/exclude",
        "  target      shop/web to node-b: most left after the move",
        "    NODE     SCORE   CHOSEN   HEADROOM   WHY",
        "    node-b   2.2     yes      2836 MiB   2136 MiB left after it",
        "    node-c   -       no       -          cordoned",
        "  would move  shop/web to node-b: node-a runs out in 100 s",
        "",
        "node-c   unknown: no report; nothing disruptive is decided about it",
        "",
        "2 nodes: nothing foreseen, nothing to do",
    ]


def test_a_plan_of_one_node_leaves_the_others_out() -> None:
    text = plan(insight(), "node-b")
    assert "node-a " not in text
    assert "booked      64 MiB coming, 0 MiB leaving by moves under way" in text
    assert "used memory stands still; not exhausted within a day at this pace" in text
    assert "decided     nothing: no policy sees it overloaded" in text


def test_no_room_tells_what_is_short_and_a_late_move_that_it_is_late() -> None:
    told = insight()
    placement = {
        "pod": "shop/web",
        "target": "",
        "why": "no node keeps its reserve",
        "shortfallBytes": 300 * MIB,
        "candidates": [],
    }
    refused = {"pod": "shop/web", "target": "node-b", "why": "cool-down of 300 s"}
    told["policies"][0]["nodes"] = [
        policy_node(
            "node-a",
            action="NoRoom",
            tooLate="a move takes up to 6.5 s",
            placements=[placement],
            refused=[refused],
        )
    ]
    text = plan(told)
    assert "target      shop/web to no node, 300 MiB short: no node keeps its reserve" in text
    assert "too late    a move takes up to 6.5 s" in text
    assert "not now     shop/web to node-b: cool-down of 300 s" in text


def test_a_move_that_was_asked_for_names_its_migration() -> None:
    told = insight()
    told["policies"][0]["mode"] = "Act"
    (one,) = told["policies"][0]["nodes"]
    assert "  will move   shop/web to node-b: " in plan(told)
    one["commands"][0]["migration"] = "shop/rescue-web-0123abcd"
    assert "moves       shop/web to node-b, Migration shop/rescue-web-0123abcd" in plan(told)


def test_an_exhausted_node_and_an_open_interval_are_said_so() -> None:
    told = insight()
    told["nodes"][0]["exhaustedInterval"] = [80.0, None]
    assert "exhausted in 100 s (90 %: 80 s to never)" in plan(told)
    told["nodes"][0]["exhaustedInSeconds"] = 0.0
    assert "exhausted: kubelet evicts now" in plan(told)


def test_a_policy_that_is_not_valid_says_why() -> None:
    told = insight()
    broken = {"name": "p", "mode": "Act", "valid": False, "message": "unknown detector x"}
    told["policies"] = [{**broken, "model": "", "nodes": []}]
    assert "policy p (Act) does nothing: unknown detector x" in plan(told)


def test_the_command_asks_for_the_node_and_prints_its_plan(cluster: Cluster) -> None:
    leader.tell(cluster, insight())
    done = call(cluster, "node-a")
    assert done.exit_code == 0, done.output
    assert "would move  shop/web to node-b" in done.stdout
    assert cluster.server.requests[-1].query == {"node": "node-a"}


def test_json_is_what_the_leader_told(cluster: Cluster) -> None:
    leader.tell(cluster, insight())
    assert json.loads(call(cluster, "-o", "json").stdout) == insight()


def test_a_node_that_nobody_watches_is_an_error(cluster: Cluster) -> None:
    leader.tell(cluster, {**insight(), "nodes": []})
    done = call(cluster, "node-x")
    assert done.exit_code == 1
    assert "podferry: no node node-x is watched; the nodes there are: podferry top nodes" in (
        done.stderr
    )


def test_an_impossible_name_is_bad_input_and_nothing_is_sent(cluster: Cluster) -> None:
    done = call(cluster, "Node A")
    assert done.exit_code == 2
    assert not cluster.server.requests


def test_without_a_policy_it_says_so_and_what_to_look_at(cluster: Cluster) -> None:
    leader.tell(cluster, {**insight(), "policies": []})
    done = call(cluster)
    assert done.exit_code == 0
    assert "podferry: no RescuePolicy in this cluster, so agents are not asked" in done.stderr
    assert "kubectl apply -f cluster-setup/examples/rescuepolicy.yaml" in done.stderr
