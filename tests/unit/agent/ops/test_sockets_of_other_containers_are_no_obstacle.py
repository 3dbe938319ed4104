"""A pod's containers share one network; only what the moved one has open must travel."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.ops.probe import probe

PROTOCOLS = "protocol size sockets\nMPTCP 1912 2\n"
TABLE = (
    "  sl local rem st queues tr retr uid timeout inode\n"
    "   0: 0901A8C0:1F90 00000000:0000 0A 0:0 00:00000000 00000000 0 0 {inode} 1\n"
)


def reasons(root: Path, inode: int, *, shared: bool) -> list[str]:
    """Of a process that has the socket 77 open, in a network with MPTCP and one server."""
    folder = root / "7"
    (folder / "fd").mkdir(parents=True)
    (folder / "net").mkdir()
    (folder / "fd/3").symlink_to("socket:[77]")
    (folder / "status").write_text("TracerPid:\t0\n")
    (folder / "net/protocols").write_text(PROTOCOLS)
    (folder / "net/tcp").write_text(TABLE.format(inode=inode))
    return [one["reason"] for one in probe([7], proc=root, shared=shared)["blockers"]]


@pytest.mark.parametrize(
    ("inode", "shared", "found"),
    [
        (77, True, ["UnsupportedResource"]),
        (88, True, []),
        (88, False, ["MPTCP", "UnsupportedResource"]),
    ],
    ids=["its own", "another container's", "alone in its pod"],
)
def test_only_its_own_sockets_count_where_others_share_the_network(
    tmp_path: Path, inode: int, shared: bool, found: list[str]
) -> None:
    assert reasons(tmp_path, inode, shared=shared) == found
