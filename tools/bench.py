"""Moves a Deployment and a StatefulSet of several sizes to and fro and writes the freeze down.

`make bench` runs it in a lab of its own and writes docs/reference/benchmarks.md. Figures are those
of the Migrations' own status, on a machine whose load is written beside them. It measures only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PODFERRY = str(ROOT / ".venv" / "bin" / "podferry")
LAB = "bench"
NAMESPACE = "bench"
REPORT = ROOT / "docs" / "reference" / "benchmarks.md"


def run(*argv: str, stdin: str | None = None, check: bool = True) -> str:
    """Run podferry; its standard output."""
    done = subprocess.run([PODFERRY, *argv], input=stdin, capture_output=True, text=True)
    if check and done.returncode:
        raise SystemExit(f"podferry {' '.join(argv)}: {done.stderr or done.stdout}")
    return done.stdout


def kubectl(*argv: str, stdin: str | None = None) -> str:
    """Run kubectl in the lab."""
    return run("lab", "kubectl", "--name", LAB, "--", *argv, stdin=stdin)


def workload(kind: str, name: str, mebibytes: int) -> dict[str, Any]:
    """A counter of that size that dirties 5 MB/s."""
    labels = {"app": name}
    container = {
        "name": "app",
        "image": "registry.lab/app:1",
        "imagePullPolicy": "Never",
        "env": [{"name": "MB", "value": str(mebibytes)}, {"name": "RATE", "value": "5"}],
    }
    spec: dict[str, Any] = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": {**labels, "podferry.dev/migratable": "true"}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        },
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def measure(kind: str, mebibytes: int, copy: str, moves: int) -> list[dict[str, Any]]:
    """`moves` moves of one workload; the measured part of each status."""
    name = f"{kind.lower()}-{mebibytes}"
    kubectl("apply", "-f", "-", stdin=json.dumps(workload(kind, name, mebibytes)))
    reference = f"{kind.lower()}/{name}"
    kubectl("rollout", "status", reference, "-n", NAMESPACE, "--timeout=120s")
    found = []
    for _ in range(moves):
        text = run(
            "migrate", reference, "-n", NAMESPACE, "--copy", copy, "--wait", "-o", "json",
            check=False,
        )  # fmt: skip
        status = json.loads(text)["status"]
        if status["phase"] != "Succeeded":
            raise SystemExit(f"{reference} by {copy}: {status['phase']}: {status}")
        found.append(status["measured"])
    kubectl("delete", reference, "-n", NAMESPACE, "--wait=true", "--now")
    return found


def row(kind: str, mebibytes: int, copy: str, found: list[dict[str, Any]]) -> str:
    """One line of the table: median and range."""
    cells = [kind, f"{mebibytes} MiB", copy, str(len(found))]
    for field in ("freezeSeconds", "dumpSeconds", "restoreSeconds", "prepareSeconds"):
        values = [float(item[field]) for item in found]
        cells.append(f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})")
    return "| " + " | ".join(cells) + " |"


def report(rows: list[str], load: str) -> str:
    """The page."""
    head = (
        "# Benchmarks\n\nWritten by `make bench` (`tools/bench.py`): a two-node lab on one machine"
        f" with {os.cpu_count()} cores, kernel {os.uname().release.split('-')[0]}, load average"
        f" before and after {load}. Both nodes share the cores, so source and target compete.\n"
        "Seconds, median (least-most). Freeze: frozen to resumed; prepare: request to freeze.\n\n"
        "| owner | memory | copy | n | freeze | dump | restore | prepare |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def main() -> int:
    """Make the lab, measure, write the page, end the lab."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=3)
    parser.add_argument("--sizes", default="64,256,1024")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    run("lab", "up", "--name", LAB, "--node-memory", "5Gi")
    try:
        os.environ["KUBECONFIG"] = run("lab", "kubeconfig", "--name", LAB).strip()
        image = str(ROOT / "build" / "podferry-image.tar")
        run("image", "--out", image)
        run("lab", "load-image", "--name", LAB, image)
        run("install", "--lab", LAB)
        kubectl("create", "namespace", NAMESPACE)
        rows = []
        for size in (int(text) for text in options.sizes.split(",")):
            for kind, copy in (
                ("Deployment", "StopAndCopy"),
                ("Deployment", "PostCopy"),
                ("StatefulSet", "StopAndCopy"),
            ):
                rows.append(row(kind, size, copy, measure(kind, size, copy, options.moves)))
                print(rows[-1], flush=True)
        REPORT.write_text(report(rows, f"{before:.1f} and {os.getloadavg()[0]:.1f}"))
    finally:
        run("lab", "down", "--name", LAB, check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
