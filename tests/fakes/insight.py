"""An insight as `controller/core/rescue/explain.py` makes it: one node that runs out of memory."""

from __future__ import annotations

from typing import Any

MIB = 1 << 20
Object = dict[str, Any]


def node(name: str, **more: Any) -> Object:
    return {
        "name": name,
        "known": True,
        "why": "",
        "ageSeconds": 1.2,
        "capacityBytes": 4096 * MIB,
        "availableBytes": 3000 * MIB,
        "evictionBytes": 100 * MIB,
        "evictionSource": "kubelet.yaml",
        "slopeBytesPerSecond": 0.0,
        "exhaustedInSeconds": None,
        "exhaustedInterval": None,
        "urgent": False,
        "pressure": None,
        "incomingBytes": 0,
        "outgoingBytes": 0,
        **more,
    }


def pod(key: str, on: str, **more: Any) -> Object:
    return {
        "key": key,
        "node": on,
        "workingSetBytes": 700 * MIB,
        "rssBytes": 650 * MIB,
        "slopeBytesPerSecond": 0.0,
        "blocked": "",
        "reluctant": "",
        "freezeP50Seconds": 0.9,
        "totalP95Seconds": 6.5,
        "moving": False,
        **more,
    }


def policy_node(name: str, **more: Any) -> Object:
    return {
        "name": name,
        "state": "Overloaded",
        "action": "WouldMove",
        "why": "",
        "tooLate": "",
        "needBytes": 0,
        "exhaustedInSeconds": None,
        "candidates": [],
        "placements": [],
        "refused": [],
        "commands": [],
        **more,
    }


def insight() -> Object:
    """node-a runs out in 100 s; `shop/web` would go to node-b, `shop/db` is excluded."""
    pressed = node(
        "node-a",
        availableBytes=312 * MIB,
        slopeBytesPerSecond=2.12 * MIB,
        exhaustedInSeconds=100.0,
        exhaustedInterval=[80.0, 140.0],
        urgent=True,
        pressure=[12.0, 5.5],
        outgoingBytes=0,
    )
    decided = policy_node(
        "node-a",
        why="used up in 100 s, a move takes 6.5 s",
        needBytes=512 * MIB,
        exhaustedInSeconds=100.0,
        candidates=[
            {"key": "shop/web", "score": 0.91, "why": "grows fastest", "chosen": True},
            {"key": "shop/db", "score": None, "why": "podferry.dev/exclude", "chosen": False},
        ],
        placements=[
            {
                "pod": "shop/web",
                "target": "node-b",
                "why": "most left after the move",
                "shortfallBytes": 0,
                "candidates": [
                    {"key": "node-b", "score": 2.2, "why": "2136 MiB left after it"},
                    {"key": "node-c", "score": None, "why": "cordoned"},
                ],
            }
        ],
        commands=[
            {
                "pod": "shop/web",
                "target": "node-b",
                "migration": "",
                "why": "node-a runs out in 100 s",
            }
        ],
    )
    policies = [
        {
            "name": "default",
            "mode": "DryRun",
            "valid": True,
            "message": "",
            "model": "prior (no move measured yet)",
            "nodes": [decided],
        }
    ]
    web = pod("shop/web", "node-a", slopeBytesPerSecond=2 * MIB)
    db = pod("shop/db", "node-a", blocked="podferry.dev/exclude", rssBytes=900 * MIB)
    return {
        "at": "2026-01-01T00:00:00Z",
        "leader": "podferry-controller-1",
        "nodes": [
            pressed,
            node("node-b", incomingBytes=64 * MIB),
            {"name": "node-c", "known": False, "why": "no report", "ageSeconds": None},
            node("node-d"),
        ],
        "pods": [web, db, pod("shop/cache", "node-b", reluctant="prefers no eviction")],
        "policies": policies,
    }
