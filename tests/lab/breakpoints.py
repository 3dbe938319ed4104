"""Makes a moment of a move last on a lab node; see agent/breakpoints.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.cluster import Cluster

FOLDER = "/run/podferry-breakpoints"


@contextmanager
def before(cluster: Cluster, node: str, role: str, stage: str) -> Iterator[None]:
    """The agent of `node` halts before this stage of this role until the block ends."""
    file = f"{FOLDER}/{role}.{stage}"
    cluster.exec(node, ["sh", "-c", f"mkdir -p {FOLDER} && touch {file}"])
    try:
        yield
    finally:
        cluster.exec(node, ["rm", "-f", file])
