"""The rules of the shield, and when a connection still waits to be accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.ops import shield
from podferry.agent.ops.host import Completed, Host

FULL = """\
table inet podferry
delete table inet podferry
table inet podferry {
  chain in {
    type filter hook input priority -400;
    iif "lo" tcp flags & (syn|ack|rst) == syn drop
    iif "lo" accept
    meta mark 0xc114 accept
    drop
  }
  chain out {
    type filter hook output priority -400;
    oif "lo" accept
    meta mark 0xc114 accept
    drop
  }
}
"""
SYN = """\
table inet podferry
delete table inet podferry
table inet podferry {
  chain in {
    type filter hook input priority -400;
    tcp flags & (syn|ack|rst) == syn drop
  }
}
"""
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
LISTENING = "   0: 00000000:1F90 00000000:0000 0A 00000000:{queue} 00:00000000 00000000  0 0 1\n"
SYN_RECV = "   1: 0100007F:1F90 0100007F:D2F0 03 00000000:00000000 01:00000063 00000000  0 0 0\n"
ESTABLISHED = "   2: 0100007F:1F90 0100007F:D2F0 01 00000000:00000009 00:00000000 00000000 0 0 2\n"


@pytest.mark.parametrize(("mode", "text"), [("full", FULL), ("syn", SYN)])
def test_the_rules_are_one_transaction(mode: str, text: str) -> None:
    assert shield.rules(mode) == text


@pytest.mark.parametrize(
    ("tcp", "tcp6", "count"),
    [
        (LISTENING.format(queue="00000000") + ESTABLISHED, "", 0),
        (LISTENING.format(queue="00000003"), "", 3),
        (LISTENING.format(queue="0000000A"), "", 10),
        (SYN_RECV + ESTABLISHED, SYN_RECV, 2),
        ("", "", 0),
    ],
    ids=["quiet", "queue", "hexadecimal", "handshakes", "none"],
)
def test_waiting_connections_of_a_recorded_table(
    tmp_path: Path, tcp: str, tcp6: str, count: int
) -> None:
    (tmp_path / "tcp").write_text(HEAD + tcp)
    (tmp_path / "tcp6").write_text(HEAD + tcp6)
    assert shield.waiting(tmp_path) == count


def test_without_ipv6_only_the_other_table_counts(tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(HEAD + SYN_RECV)
    assert shield.waiting(tmp_path) == 1


class Nft(Host):
    """Notes what nft is told; answers the list of tables."""

    def __init__(self, root: Path, tables: str = "", code: int = 0) -> None:
        super().__init__(str(root), enter=False)
        self.tables, self.code = tables, code
        self.told: list[str] = []

    def run(self, argv: object, *, timeout: float = 30, stdin: str | None = None) -> Completed:
        if stdin is None:
            return Completed(0, self.tables, "")
        self.told.append(stdin)
        return Completed(self.code, "", "Operation not permitted")


def test_lowering_takes_ours_and_criu_s_tables_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "ns").touch()
    host = Nft(tmp_path, "table inet podferry\ntable inet CRIU-77\ntable ip nat\n")
    shield.lower_shield(host, "/ns")
    assert host.told == ["delete table inet podferry\ndelete table inet CRIU-77\n"]


def test_lowering_where_nothing_is_up_asks_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "ns").touch()
    host = Nft(tmp_path, "table ip nat\n")
    shield.lower_shield(host, "/ns")
    shield.lower_shield(host, "/gone")
    assert host.told == []


def test_a_shield_that_cannot_go_up_is_an_error_with_nft_s_words(tmp_path: Path) -> None:
    with pytest.raises(shield.ShieldFailed, match="Operation not permitted"):
        shield.raise_shield(Nft(tmp_path, code=1), "/ns")
