"""promtool, which checks rules of Prometheus: the machine's own, else the one of Debian's package.

The package is taken apart and not installed, so nothing of the machine changes. apt checks its
signature.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from podferry.lab.parts.errors import PartsError
from podferry.lab.parts.steps import run
from podferry.lab.parts.store import Progress, build_once, key, locked, part_path

_PACKAGE = "prometheus"


def promtool(progress: Progress) -> Path:
    """Return the program; fetch the package (some 20 MB) into the cache where there is none.

    Raises:
        PartsError: no apt-get, or it does not know the package.
    """
    own = shutil.which("promtool")
    if own:
        return Path(own)
    if shutil.which("apt-get") is None:
        raise PartsError("no promtool and no apt-get: install Prometheus's promtool on PATH")
    version = _candidate()
    if not version and os.geteuid() == 0:
        run(["apt-get", "update", "-qq"], what="package lists", progress=progress)
        version = _candidate()
    if not version:
        raise PartsError(f"apt knows no package {_PACKAGE}: run apt-get update as root, once")
    part_key = key(version)
    path = part_path("promtool", part_key)
    if not path.is_dir():
        with locked(progress):
            build_once("promtool", part_key, lambda work: _fetch(work, version, progress))
    return path / "promtool"


def _candidate() -> str:
    """The version that apt would install; "" where it knows none."""
    done = subprocess.run(
        ["apt-cache", "policy", _PACKAGE],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    for line in done.stdout.splitlines():
        name, _, value = line.strip().partition(": ")
        if name == "Candidate":
            return "" if value.strip() == "(none)" else value.strip()
    return ""


def _fetch(work: Path, version: str, progress: Progress) -> None:
    what = f"promtool (package {_PACKAGE} {version})"
    run(["apt-get", "download", f"{_PACKAGE}={version}"], what=what, progress=progress, cwd=work)
    (package,) = work.glob("*.deb")
    root = work / "root"
    run(
        ["dpkg-deb", "--extract", str(package), str(root)],
        what="taking it apart",
        progress=progress,
    )
    (root / "usr/bin/promtool").rename(work / "promtool")
    shutil.rmtree(root)
    package.unlink()
