"""A socket that named the pod's own address cannot be bound again where the pod has another."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.ops.probe import probe

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue\n"
NOBODY = "00000000:0000"
POD = "0901A8C0"  # 192.168.1.9
POD6 = "000080FE00000000FF005450010203FE"
MAPPED = "0000000000000000FFFF0000"


def message(root: Path, table: str, local: str, remote: str, state: str) -> str:
    (root / "7/fd").mkdir(parents=True)
    (root / "7/net").mkdir()
    (root / "7/status").write_text("TracerPid:\t0\n")
    (root / f"7/net/{table}").write_text(f"{HEAD}   0: {local} {remote} {state} 0:0\n")
    blockers = probe([7], proc=root)["blockers"]
    return str(blockers[0]["message"]) if blockers else ""


@pytest.mark.parametrize(
    ("table", "local", "state"),
    [
        ("tcp", f"{POD}:1F90", "0A"),
        ("tcp6", f"{POD6}:1F90", "0A"),
        ("tcp6", f"{MAPPED}{POD}:1F90", "0A"),
        ("udp", f"{POD}:1F90", "07"),
        ("udp6", f"{POD6}:1F90", "07"),
    ],
)
def test_it_blocks_with_its_port_and_what_to_do(
    tmp_path: Path, table: str, local: str, state: str
) -> None:
    said = message(tmp_path, table, local, NOBODY, state)
    assert f"{table} port 8080 is bound" in said
    assert "0.0.0.0" in said


@pytest.mark.parametrize(
    ("table", "local", "remote", "state"),
    [
        ("tcp", "00000000:1F90", NOBODY, "0A"),
        ("tcp6", f"{'0' * 32}:1F90", NOBODY, "0A"),
        ("tcp6", f"{MAPPED}00000000:1F90", NOBODY, "0A"),
        ("tcp", "0100007F:1F90", NOBODY, "0A"),
        ("udp", "3500007F:0035", NOBODY, "07"),
        ("udp6", f"{'0' * 24}01000000:1F90", NOBODY, "07"),
        ("tcp6", f"{MAPPED}0100007F:1F90", NOBODY, "0A"),
        ("tcp", f"{POD}:1F90", "0A01A8C0:D2F0", "01"),
        ("udp", f"{POD}:E1F0", "0A01A8C0:0035", "01"),
    ],
    ids=[
        "everywhere", "everywhere 6", "everywhere mapped", "loopback", "resolver", "loopback 6",
        "loopback mapped", "connection", "question to a resolver",
    ],
)  # fmt: skip
def test_what_is_bound_everywhere_or_within_or_only_connected_does_not(
    tmp_path: Path, table: str, local: str, remote: str, state: str
) -> None:
    assert message(tmp_path, table, local, remote, state) == ""
