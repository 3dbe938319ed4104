"""A pip to install wheels with, also where the running Python has none."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from podferry.lab.parts.steps import run
from podferry.lab.parts.store import Progress, cache_dir


def pip(progress: Progress) -> list[str]:
    """The command that runs pip: this Python's own, else that of an environment in the cache."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    folder = cache_dir() / "pip"
    ready = folder / "ready"
    if not ready.exists():
        # an environment without pip cannot make one with pip in every case; its base can
        base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
        python = str(base) if base.exists() else shutil.which("python3") or sys.executable
        run([python, "-m", "venv", "--clear", str(folder)], what="pip", progress=progress)
        ready.touch()
    return [str(folder / "bin" / "python"), "-m", "pip"]
