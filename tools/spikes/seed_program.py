"""Random nodes, answered by the seed's own compiled code and by our rules: where do they differ?

    git clone https://github.com/elchead/k8s-migration-controller && cd k8s-migration-controller
    git checkout c1ec9856 && mkdir cmd/ask
    cp PODFERRY/tools/spikes/seed_program.go.txt cmd/ask/main.go
    export GOFLAGS=-mod=mod && go build -o seed ./cmd/ask
    python -m tools.spikes.seed_program ./seed --seed 5 --cases 20000 [--write FILE]

Prints, for each rule, in how many cases the two differ; 0013 says which differences are known.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from podferry.policies.detectors.seed import Slope, Threshold
from podferry.policies.targets.seed import LeastUsed
from podferry.policies.victims.seed import BigEnough, Knapsack, Largest, SteepestSlope
from podferry.policies.vocabulary import Node, Overload, Pod, Series, Snapshot
from podferry.policies.words import GIB


def case(dice: random.Random) -> dict[str, Any]:
    """Return one node with pods [GB], slopes [GB/min], a threshold, a request and other nodes."""
    capacity = dice.choice([100.0, 450.0, float(dice.randint(50, 500))])
    pods, slopes = {}, {}
    for at in range(dice.randint(1, 7)):
        sizes = [float(dice.randint(1, 60)), dice.uniform(0.01, 60), dice.expovariate(1 / 20)]
        grown = dice.choice([0.0, 1.0, dice.uniform(-3, 8), float(dice.randint(-2, 8))])
        pods[f"p{at}"] = size = dice.choice(sizes)
        slopes[f"p{at}"] = size - (size - grown)  # as two samples give it
    free = (capacity - sum(pods.values())) / capacity * 100.0
    others = {f"n{at}": dice.uniform(0, 100) for at in range(dice.randint(1, 3))}
    return {
        "Node": capacity,
        "T": dice.choice([10.0, 15.0, 20.0, 30.0, 45.0, dice.uniform(1, 60)]),
        "Free": free,
        "Need": dice.choice([float(dice.randint(0, 80)), dice.uniform(0, 80)]),
        "Pods": pods,
        "Slope": slopes,
        "Nodes": {"src": free, **others},
        "Cmds": [{"Pod": key, "Usage": size} for key, size in pods.items()],
    }


def ours(each: dict[str, Any]) -> dict[str, Any]:
    """Return what our rules say to the same, in the same form."""
    capacity = each["Node"] * GIB
    pods = tuple(
        Pod(key, size * GIB, Series((0.0, 60.0), ((size - each["Slope"][key]) * GIB, size * GIB)))
        for key, size in each["Pods"].items()
    )
    source = Node("src", capacity, sum(pod.memory for pod in pods), pods=pods)
    others = tuple(
        Node(name, capacity, capacity - free / 100 * capacity)
        for name, free in each["Nodes"].items()
        if name != "src"
    )
    snapshot = Snapshot(60.0, (source, *others))
    overload = Overload("src", each["Need"] * GIB, None, "")

    def asked(rule: Threshold | Slope) -> float:
        found = rule.detect(source, snapshot)
        return -1.0 if found is None else found.need / GIB

    def chosen(rule: SteepestSlope | Largest | BigEnough | Knapsack) -> list[str]:
        return list(rule.choose(source, overload, snapshot, lambda: 0.0).pods)

    return {
        "Threshold": asked(Threshold(each["T"])),
        "SlopeReq": asked(Slope(each["T"], 300.0, 60.0)),
        "Steep": chosen(SteepestSlope()),
        "Max": chosen(Largest()),
        "Big": chosen(BigEnough()),
        "Optimal": chosen(Knapsack()),
        "Validate": placed(LeastUsed(each["T"], 5.0), snapshot),
    }


def placed(rule: LeastUsed, snapshot: Snapshot) -> list[str]:
    """Return where the pods of the first node go, each booked before the next."""
    found = []
    for pod in snapshot.nodes[0].pods:
        target = rule.place(pod, snapshot.nodes[0], snapshot).node
        if not target:
            continue
        found.append(f"{pod.key}>{target}")
        nodes = (
            replace(node, incoming=node.incoming + pod.memory) if node.name == target else node
            for node in snapshot.nodes
        )
        snapshot = replace(snapshot, nodes=tuple(nodes))
    return found


def differences(each: dict[str, Any], seed: dict[str, Any]) -> list[str]:
    """Return the names of the rules that differ; equal pods may come in any order."""
    mine = ours(each)
    found = [rule for rule in ("Threshold", "Validate") if mine[rule] != seed[rule]]
    if mine["SlopeReq"] != seed["SlopeReq"]:
        close = abs(mine["SlopeReq"] - seed["SlopeReq"]) <= 1e-9 * max(1.0, abs(mine["SlopeReq"]))
        found.append("SlopeReq, last digits" if close else "SlopeReq")
    for rule, measure in (
        ("Steep", "Slope"),
        ("Max", "Pods"),
        ("Big", "Pods"),
        ("Optimal", "Pods"),
    ):
        theirs = [each[measure][command.split(">")[0]] for command in seed[rule]]
        mines = [each[measure][key] for key in mine[rule]]
        if rule != "Optimal" and mines != theirs:
            found.append(rule)
        if rule == "Optimal" and abs(sum(mines) - sum(theirs)) > 1e-9:
            many = sum(size > 5 for size in each["Pods"].values()) > 4
            found.append("Optimal, five pods or more" if many else "Optimal")
    return found


def main() -> None:
    """Compare and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("program", help="the seed's code, built as above")
    options.add_argument("--seed", type=int, default=5)
    options.add_argument("--cases", type=int, default=20_000)
    options.add_argument("--write", type=Path, help="the first 200 cases with their answers")
    args = options.parse_args()
    dice = random.Random(args.seed)  # noqa: S311 (test data)
    cases = [case(dice) for _ in range(args.cases)]
    done = subprocess.run(
        [args.program], input=json.dumps(cases), text=True, capture_output=True, check=True
    )
    answers = json.loads(done.stdout)
    counts = Counter(
        name for each, seed in zip(cases, answers, strict=True) for name in differences(each, seed)
    )
    print(f"{args.cases} cases, differences: {dict(counts) or 'none'}")
    if args.write:
        kept = ("Node", "T", "Pods", "Slope", "Need", "Nodes")
        rows = [
            json.dumps({"case": {key: each[key] for key in kept}, "seed": seed})
            for each, seed in zip(cases[:200], answers, strict=False)
        ]
        args.write.write_text("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
