"""The rules that forward from a source's pod, and when they are not put up."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.ops import redirect
from podferry.agent.ops.host import Completed, Host

RULES = """\
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
    tcp flags & rst == rst accept
    drop
  }
  chain hand_on {
    type nat hook prerouting priority -100;
    iif "lo" return
    meta pkttype host meta l4proto { tcp, udp } dnat ip to 10.0.0.2
  }
  chain own_address {
    type nat hook postrouting priority 100;
    ct status dnat masquerade
  }
}
"""


class Node(Host):
    """Notes what would run."""

    def __init__(self, answer: Completed) -> None:
        super().__init__("/nowhere", enter=False)
        self.answer, self.told = answer, []  # type: tuple[Completed, list[tuple[object, object]]]

    def run(self, argv: object, *, timeout: float = 30, stdin: str | None = None) -> Completed:
        self.told.append((argv, stdin))
        return self.answer


def test_the_rules_replace_the_shield_in_one_transaction() -> None:
    assert redirect.rules("10.0.0.2") == RULES


def test_after_the_release_the_kernel_ends_the_forwarding_and_refuses() -> None:
    text = redirect.rules("10.0.0.2", 2.5)
    assert "elements = { tcp timeout 2500ms, udp timeout 2500ms }" in text
    assert "meta pkttype host meta l4proto @handed_on dnat ip to 10.0.0.2" in text
    refusal = "    meta l4proto tcp reject with tcp reset\n    drop\n"
    assert refusal in text
    assert refusal not in RULES


def test_forwarding_is_one_program_that_first_proves_whose_namespace_it_is() -> None:
    host = Node(Completed(0, "", ""))
    redirect.forward(host, "/ns", "10.0.0.1", "10.0.0.2")
    [(argv, rules)] = host.told
    assert isinstance(argv, list)
    assert argv[:2] == ["nsenter", "--net=/ns"]
    assert argv[-1] == "10.0.0.1"
    assert argv[-3].index("grep") < argv[-3].index("nft") < argv[-3].index("ip_forward")
    assert rules == RULES


@pytest.mark.parametrize(
    "ends", [("fd00::1", "fd00::2"), ("10.0.0.1", "fd00::2"), ("", "10.0.0.2")]
)
def test_what_is_not_ipv4_is_refused_before_anything_is_run(ends: tuple[str, str]) -> None:
    host = Node(Completed(0, "", ""))
    with pytest.raises(redirect.CannotForward, match="only IPv4"):
        redirect.forward(host, "/ns", *ends)
    assert host.told == []


def test_a_refusal_is_told_in_one_line() -> None:
    host = Node(Completed(1, "", "Error: no NAT\nmore\nand more\n"))
    with pytest.raises(redirect.CannotForward, match=r"^/ns: Error: no NAT$"):
        redirect.forward(host, "/ns", "10.0.0.1", "10.0.0.2")


@pytest.mark.parametrize(
    ("said", "address"),
    [("2: eth0    inet 10.244.1.7/24 brd 10.244.1.255 scope global eth0", "10.244.1.7"), ("", "")],
)
def test_the_address_of_a_pod_is_that_of_its_first_interface(said: str, address: str) -> None:
    assert redirect.address_of(Node(Completed(0, said, "")), "/ns") == address


def test_a_namespace_without_the_address_of_the_source_is_left_alone(tmp_path: Path) -> None:
    """The real script, with programs that only note that they ran."""
    for name, does in (("ip", "echo '2: eth0 inet 10.0.0.7/24'"), ("nft", "touch $NOTE")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    note = tmp_path / "nft-ran"
    host = Host("", enter=False)
    words = redirect.SCRIPT.replace("/proc/sys/net/ipv4/ip_forward", str(tmp_path / "forward"))
    for own, code in (("10.0.0.1", 3), ("10.0.0.70", 3), ("10.0.0.7", 0)):
        run = ["env", f"PATH={tmp_path}:/usr/bin:/bin", f"NOTE={note}", "sh", "-c", words, "x", own]
        assert host.run(run, stdin="").returncode == code
        assert note.exists() is (code == 0)
