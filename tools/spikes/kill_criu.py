"""Who holds a frozen source when criu dies, hangs or serves: measured on a node of a lab.

Usage: python -m tools.spikes.kill_criu --lab NAME [--runs 15] [--case lazy-kill ...] [--out FILE]

Builds the workload, brings it and the agent's own `ops` to the node, runs the cases there and
writes their rows as JSON lines. Needs root and a running lab. It ends only what it started; what it
left on the node goes with it. The findings are in docs/decisions/0001.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from podferry.controller.runtime import pki

ROOT = Path(__file__).resolve().parents[2]
PODFERRY = str(ROOT / ".venv" / "bin" / "podferry")
PLACE = "/var/lib/podferry-spike"
CASES = ("poll", "lazy-kill", "lazy-end", "lazy-break", "refreeze", "dead-man")
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread")
_PARTS = (
    "podferry/__init__.py",
    "podferry/wire",
    "agent/__init__.py",
    "agent/ops",
    "tools/__init__.py",
    "tools/spikes",
)


def on_node(lab: str, node: str, *argv: str) -> list[str]:
    """The command line that runs `argv` in a node of the lab."""
    return [PODFERRY, "lab", "exec", "--name", lab, node, "--", *argv]


def bundle(program: Path) -> bytes:
    """A tar of the workload and of the code that runs on the node."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for part in _PARTS:
            name = part if part.startswith(("podferry", "tools")) else f"podferry/{part}"
            tar.add(ROOT / part, f"code/{name}", filter=_no_caches)
        tar.add(program, "source")
        leaf = pki.issue(pki.make_authority(now := datetime.now(UTC)), ("spike",), now)
        for name, pem in (("ca.crt", leaf.ca), ("tls.crt", leaf.cert), ("tls.key", leaf.key)):
            item = tarfile.TarInfo(f"tls/{name}")
            item.size = len(pem)
            tar.addfile(item, io.BytesIO(pem))
    return out.getvalue()


def _no_caches(item: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in item.name else item


def bring(lab: str, node: str) -> None:
    """Put everything that a run needs on the node."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "source"
        source = ROOT / "tools" / "spikes" / "source.c"
        subprocess.run(["cc", *_FLAGS, "-o", str(program), str(source)], check=True)
        unpack = f"mkdir -p {PLACE} && tar -xf - -C {PLACE}"
        argv = on_node(lab, node, "sh", "-c", unpack)
        subprocess.run(argv, input=bundle(program), check=True)


def main() -> int:
    """Run the cases and write the rows. Exit code 1 when a run ended in an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lab", required=True, help="name of a running lab")
    parser.add_argument("--node", default="node-a")
    parser.add_argument("--runs", type=int, default=15, help="runs of each variant")
    parser.add_argument("--mebibytes", type=int, default=256)
    parser.add_argument("--case", action="append", choices=CASES, help="default: all")
    parser.add_argument("--out", type=Path, help="JSON lines; default: standard output")
    given = parser.parse_args()
    bring(given.lab, given.node)
    argv = ["env", f"PYTHONPATH={PLACE}/code", "python3", "-m", "tools.spikes.node_side"]
    argv += ["--root", f"{PLACE}/runs", "--program", f"{PLACE}/source"]
    argv += ["--tls", f"{PLACE}/tls"]
    argv += ["--mebibytes", str(given.mebibytes), "--runs", str(given.runs)]
    argv += given.case or CASES
    out = given.out.open("w") if given.out else sys.stdout
    try:
        node = on_node(given.lab, given.node, *argv)
        with subprocess.Popen(node, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                json.loads(line)
                print(line, end="", file=out, flush=True)
        return process.returncode
    finally:
        subprocess.run(on_node(given.lab, given.node, "rm", "-rf", PLACE), check=True)


if __name__ == "__main__":
    sys.exit(main())
