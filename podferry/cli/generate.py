"""Generated files: writes them, or with --check says which are stale. Owns the list of them.

Each entry is a path and a function that returns the wanted text; nothing else generates files.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _crd() -> str:
    from podferry.api.crd import render

    return render()


def _rescue_crd() -> str:
    from podferry.api.crd_rescue import render

    return render()


def _wrapper() -> str:
    from podferry.runtime_wrapper.generate import render

    return render()


def _dashboard() -> str:
    from podferry.cli.dashboard import render

    return render()


def _rule_object() -> str:
    from podferry.cli.dashboard import rule_object

    return rule_object()


FILES: dict[str, Callable[[], str]] = {
    "cluster-setup/crd/migrations.yaml": _crd,
    "cluster-setup/crd/rescuepolicies.yaml": _rescue_crd,
    "cluster-setup/monitoring/dashboard.json": _dashboard,
    "cluster-setup/monitoring/prometheusrule.yaml": _rule_object,
    "runtime_wrapper/wrapper.py": _wrapper,
}


def main(argv: list[str]) -> int:
    """Write every generated file; with `--check` only compare. Returns the exit code."""
    stale = []
    for name, render in FILES.items():
        path = ROOT / name
        wanted = render()
        if path.exists() and path.read_text() == wanted:
            continue
        stale.append(name)
        if "--check" not in argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted)
    for name in stale:
        print(f"{'stale' if '--check' in argv else 'written'}: {name}")
    if stale and "--check" in argv:
        print("run `make generate` and commit the result", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
