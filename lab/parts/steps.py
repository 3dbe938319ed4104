"""Long commands that show that they are alive, and end when the caller does.

Never decides what runs; never prints, only calls `progress`.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from podferry.lab.parts.errors import PartsError
from podferry.lab.parts.store import Progress

ALIVE_SECONDS = 10.0


def run(
    argv: Sequence[str],
    *,
    what: str,
    progress: Progress,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> None:
    """Run one command to its end; PartsError carries its last words.

    Args:
        argv: the command; it gets SIGKILL when this process dies.
        what: the step's name in the progress lines.
        progress: gets a line at the end, and one every 10 s before.
        cwd: where it runs.
        env: its whole environment, this process's own if not given.
    """
    start = time.monotonic()
    # to a file and not a pipe: a pipe that nobody reads would stop a talkative command
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "nice", "-n", "5", *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=env,
        ) as process:
            try:
                _wait(process, what=what, progress=progress, start=start)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines() or ["no output"]
            raise PartsError(
                f"{what}: `{argv[0]}` ended with {process.returncode} after "
                f"{time.monotonic() - start:.0f} s: {' | '.join(lines[-4:])}; "
                "set that right and run the same command again, finished steps are kept"
            )
    progress(f"{what}: done in {time.monotonic() - start:.1f} s")


def _wait(process: subprocess.Popen[bytes], *, what: str, progress: Progress, start: float) -> None:
    while True:
        try:
            process.wait(timeout=ALIVE_SECONDS)
            return
        except subprocess.TimeoutExpired:
            progress(f"{what}: running for {time.monotonic() - start:.0f} s")
