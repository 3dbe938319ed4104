"""A page port is chosen that nobody listens on."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent import node_ports
from podferry.agent.errors import AgentError
from podferry.wire import names

HEAD = "  sl  local_address rem_address   st\n"


def table(path: Path, *rows: tuple[int, str]) -> str:
    lines = [f"   0: 00000000:{port:04X} 00000000:0000 {state}\n" for port, state in rows]
    (path / "tcp").write_text(HEAD + "".join(lines))
    return str(path)


def test_a_port_that_listens_or_is_promised_is_passed_over(tmp_path: Path) -> None:
    first = names.PAGE_PORT_FIRST
    proc = table(tmp_path, (first, "0A"), (first + 2, "01"))
    assert node_ports.choose_page_port({first + 1}, proc=proc) == first + 2


def test_no_free_port_is_said_with_the_range(tmp_path: Path) -> None:
    every = set(range(names.PAGE_PORT_FIRST, names.PAGE_PORT_LAST + 1))
    with pytest.raises(AgentError, match=f"{names.PAGE_PORT_FIRST}-{names.PAGE_PORT_LAST}"):
        node_ports.choose_page_port(every, proc=table(tmp_path))
