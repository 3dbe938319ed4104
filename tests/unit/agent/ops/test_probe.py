"""What of a container cannot be moved, on a /proc of files."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from podferry.agent.ops.probe import probe

STATUS = "Name:\tapp\nTracerPid:\t0\nRssAnon:\t    100 kB\nRssFile:\t  7 kB\nRssShmem:\t    20 kB\n"
PROTOCOLS = """\
protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh
MPTCPv6   2064      0      -1   no       0   yes  kernel      y  n
MPTCP     1912      {mptcp}      -1   no       0   yes  kernel      y  n
TCP       2432      5       1   no     320   yes  kernel      y  y
"""
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000
   1: 0100007F:1F90 0100007F:D2F0 01 00000000:00000000
   2: 0100007F:1F90 0100007F:D2F1 01 00000000:00000000
"""


class Proc:
    """A /proc with one process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "7"
        (self.folder / "fd").mkdir(parents=True)
        (self.folder / "net").mkdir()
        self.status(STATUS)
        self.protocols(0)

    def status(self, text: str) -> None:
        (self.folder / "status").write_text(text)

    def opens(self, *targets: str) -> None:
        for number, target in enumerate(targets):
            (self.folder / f"fd/{number}").symlink_to(target)

    def protocols(self, mptcp: int) -> None:
        (self.folder / "net/protocols").write_text(PROTOCOLS.format(mptcp=mptcp))

    def reasons(self) -> list[str]:
        found = probe([7], proc=self.root)
        assert found["ok"] is (not found["blockers"])
        return [item["reason"] for item in found["blockers"]]


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_a_plain_process_is_free_to_go_and_measured(proc: Proc) -> None:
    proc.opens("/dev/null", "/dev/urandom", "/dev/shm/x (deleted)", "socket:[1]", "/data/log")
    (proc.folder / "net/tcp").write_text(TCP)
    assert probe([7], proc=proc.root) == {
        "ok": True,
        "blockers": [],
        "residentBytes": 120 * 1024,
        "shmemBytes": 20 * 1024,
        "tcpConnections": 2,
        "processes": 1,
        "openFiles": 5,
    }


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("anon_inode:[io_uring]", "IOUring"),
        ("/dev/pts/0", "TerminalAttached"),
        ("/dev/tty1", "TerminalAttached"),
        ("/dev/nvidia0", "Devices"),
        ("/dev/fuse", "Devices"),
        ("anon_inode:bpf-prog", "UnsupportedResource"),
        ("anon_inode:[perf_event]", "UnsupportedResource"),
        ("anon_inode:[userfaultfd]", "UnsupportedResource"),
    ],
)
def test_what_is_open_may_block_a_move(proc: Proc, target: str, reason: str) -> None:
    proc.opens("/dev/null", target)
    assert proc.reasons() == [reason]


@pytest.mark.parametrize(
    "target", ["anon_inode:[eventpoll]", "anon_inode:[eventfd]", "/dev/ptmx", "pipe:[3]"]
)
def test_what_criu_can_dump_does_not_block(proc: Proc, target: str) -> None:
    proc.opens(target)
    assert proc.reasons() == []


def test_mptcp_sockets_block_and_their_absence_does_not(proc: Proc) -> None:
    assert proc.reasons() == []
    proc.protocols(2)
    assert proc.reasons() == ["MPTCP"]


def test_an_mptcp_socket_blocks_before_it_is_bound() -> None:
    protocol = 262  # IPPROTO_MPTCP; net/protocols does not count this one yet
    try:
        mine = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    except OSError as error:
        pytest.skip(f"this kernel has no MPTCP: {error}")
    with mine:
        blockers = {item["reason"]: item for item in probe([os.getpid()])["blockers"]}
        assert f"(fd {mine.fileno()})" in blockers["MPTCP"]["message"]


def test_a_traced_process_blocks(proc: Proc) -> None:
    proc.status(STATUS.replace("TracerPid:\t0", "TracerPid:\t99"))
    assert proc.reasons() == ["UnsupportedResource"]


def test_the_same_reason_is_told_once(proc: Proc) -> None:
    proc.opens("anon_inode:[io_uring]", "anon_inode:[io_uring]")
    assert proc.reasons() == ["IOUring"]


def test_a_process_that_ended_meanwhile_is_no_error(proc: Proc) -> None:
    found = probe([7, 8], proc=proc.root)
    assert (found["ok"], found["residentBytes"]) == (True, 120 * 1024)
