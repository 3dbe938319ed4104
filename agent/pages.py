"""Page traffic at the target: our receiver (StopAndCopy) or criu's lazy-pages (PostCopy).

Owns: starting both detached so that they outlive the agent, and ending them by pid. Never does:
end a process that it cannot prove to be this attempt's.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from podferry.agent import node_ports
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.node import Node
from podferry.wire import layout, names

SECOND = "again"
"""Marker: the memory of a kept name is served for the second time, see `serving`."""
_POLL = 0.005
_RECEIVER = f"{names.INSTALL_DIR}/page_receiver.py"


def is_lazy(side: Side) -> bool:
    """Whether the memory follows after the resume."""
    return side.params.get("copy") == "PostCopy"


def tls_arguments(folder: str) -> list[str]:
    """CRIU options for the page stream; the authority is this cluster's own, names are not IPs."""
    return [
        "--tls",
        "--tls-cacert",
        f"{folder}/ca.crt",
        "--tls-cert",
        f"{folder}/tls.crt",
        "--tls-key",
        f"{folder}/tls.key",
        "--tls-no-cn-verify",
    ]


async def start_server(node: Node, side: Side, taken: set[int]) -> None:
    """Start this attempt's page receiver once and wait until it listens; fact pagePort."""
    if _pid(side, "page-server") or _code(side, "page-server") is not None:
        return  # a restarted agent finds it running or done
    port = node_ports.choose_page_port(taken)
    # Noted before anything is awaited: another attempt that is prepared meanwhile must not choose
    # the same one, and would take its listener for its own.
    side.note(pagePort=port)
    argv = ["python3", "-I", "-S", _RECEIVER, "--images-dir", f"{node.ram(side)}/images"]
    argv += ["--tls-dir", node.publish_tls(), "--identity", names.AGENT_IDENTITY]
    argv += ["--port", str(port)]
    await _spawn(node, side, argv, "page-server")
    for _ in range(1000):
        if port in node_ports.listening():
            return
        if _code(side, "page-server") is not None:
            break
        await asyncio.sleep(_POLL)
    raise AgentError(
        "PageServerFailed",
        f"the page receiver does not listen on port {port}: {_tail(side, 'page-server')}",
    )


async def server_finished(side: Side, *, seconds: float) -> None:
    """Wait until the page server ended well: it does once the dump closed its connection."""
    for _ in range(int(seconds / _POLL)):
        code = _code(side, "page-server")
        if code == 0:
            return
        if code is not None:
            raise AgentError(
                "PageServerFailed",
                f"the page receiver ended with {code}: {_tail(side, 'page-server')}",
            )
        await asyncio.sleep(_POLL)
    raise AgentError(
        "PageServerBusy", f"the page receiver still runs {seconds:.0f} s after the dump ended"
    )


async def start_lazy(node: Node, side: Side) -> None:
    """Start the daemon that fetches pages on fault; returns when its socket is there."""
    if _pid(side, "lazy-pages"):
        return
    source, port = side.params.get("sourceAddress"), side.params.get("pagePort")
    if not source or not port:
        raise AgentError("BadOrder", "PostCopy needs params sourceAddress and pagePort")
    argv = ["criu", "lazy-pages", "--page-server", "--address", str(source), "--port", str(port)]
    ram = node.ram(side)
    argv += ["--images-dir", f"{ram}/images", "--work-dir", f"{ram}/work"]
    argv += ["-o", "lazy-pages.log", "-v4", *tls_arguments(node.publish_tls())]
    side.note(lazyBoot=node.boot_id())
    await _spawn(node, side, argv, "lazy-pages")
    for _ in range(1000):
        if side.has(f"{layout.RAM}/work/lazy-pages.socket"):
            return
        if _code(side, "lazy-pages") is not None:
            break
        await asyncio.sleep(_POLL)
    raise AgentError(
        "LazyPagesFailed", f"criu lazy-pages made no socket: {_tail(side, 'lazy-pages')}"
    )


def lazy_code(side: Side) -> int | None:
    """Exit code of the daemon that fetches pages, None while it runs."""
    return _code(side, "lazy-pages")


def lost(node: Node, side: Side) -> bool:
    """Whether the daemon that fetches pages ended before it had them all, with its node or alone.

    Where memory is served twice (`serving`), the first daemon's end means nothing.
    """
    if not is_lazy(side) or (side.params.get("sameName") and not side.has(SECOND)):
        return False
    code = lazy_code(side)
    began = side.facts.get("lazyBoot")
    return code != 0 and (code is not None or began not in (None, node.boot_id()))


def lazy_done(side: Side) -> bool:
    """Whether every page arrived: the daemon ended well."""
    return lazy_code(side) == 0


async def lazy_finished(side: Side) -> None:
    """Wait until every page arrived. Raises AgentError PagesLost."""
    while True:
        code = lazy_code(side)
        if code == 0:
            return
        if code is not None:
            raise AgentError(
                "PagesLost",
                f"criu lazy-pages ended with {code} before all memory was here:"
                f" {_tail(side, 'lazy-pages')}; nothing was removed",
            )
        await asyncio.sleep(0.05)


async def stop(node: Node, side: Side) -> None:
    """End this attempt's daemons, proven by their command line, and wait until they are gone."""
    for name in ("page-server", "lazy-pages"):
        pid = _pid(side, name)
        if not pid or not _is_ours(node, side, pid):
            continue
        # The shell's own: a minimal node has no program of that name.
        node.host.run(["sh", "-c", 'kill -9 "$0"', str(pid)])
        for _ in range(1000):
            if not node.alive(pid):
                break
            await asyncio.sleep(_POLL)


def _is_ours(node: Node, side: Side, pid: int) -> bool:
    try:
        line = Path(node.local(f"/proc/{pid}/cmdline")).read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return node.folder(side) in line


async def _spawn(node: Node, side: Side, argv: list[str], name: str) -> None:
    folder = node.folder(side)
    await asyncio.to_thread(
        node.host.spawn_detached,
        argv,
        f"{folder}/{name}.out",
        f"{folder}/{name}.pid",
        f"{folder}/{name}.rc",
    )


def _pid(side: Side, name: str) -> int:
    return _number(f"{side.folder}/{name}.pid") or 0


def _code(side: Side, name: str) -> int | None:
    return _number(f"{side.folder}/{name}.rc")


def _number(path: str) -> int | None:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(Path(path).read_text(encoding="ascii"))
    return None


def _tail(side: Side, name: str) -> str:
    for path in (f"{side.ram}/work/{name}.log", f"{side.folder}/{name}.out"):
        with contextlib.suppress(FileNotFoundError):
            lines = Path(path).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            if lines:
                return " | ".join(lines[-3:])
    return "no log"
