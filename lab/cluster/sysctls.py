"""Machine-wide kernel settings that a lab changes: kept before, put back after the last lab.

kubelet sets the first ones itself; the pipe size is raised for CRIU, which cannot exceed it
without CAP_SYS_RESOURCE; a few labs' components together need more inotify instances than the
kernel's default of 128 for one user (kubelet then ends with "too many open files").
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from podferry.lab.cluster.model import Lab

BY_KUBELET = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
PIPE = "fs/pipe-max-size"
RAISED = {
    PIPE: 16 << 20,
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 524288,
}
"""Settings to their smallest wanted value."""


def prepare(lab: Lab, proc: Path = Path("/proc/sys")) -> None:
    """Keep the values once for all labs under this root, then raise what is too small."""
    kept = _file(lab)
    values = _read(kept)
    for name in (*BY_KUBELET, *RAISED):
        with contextlib.suppress(OSError):
            values.setdefault(name, (proc / name).read_text().strip())
    # in one step: a half-written file would lose the machine's own values for good
    new = kept.with_suffix(".new")
    new.write_text(json.dumps(values))
    os.replace(new, kept)
    for name, wanted in RAISED.items():
        with contextlib.suppress(OSError, ValueError):
            if int((proc / name).read_text()) < wanted:
                (proc / name).write_text(str(wanted))


def restore(lab: Lab, proc: Path = Path("/proc/sys")) -> None:
    """Put the values back unless another lab still runs under this root."""
    kept = _file(lab)
    if not kept.exists() or any(lab.root.glob("*/state.json")):
        return
    for name, value in _read(kept).items():
        with contextlib.suppress(OSError):
            if (proc / name).read_text().strip() != value:
                (proc / name).write_text(value)
    kept.unlink()
    kept.with_suffix(".new").unlink(missing_ok=True)


def _read(kept: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(kept.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _file(lab: Lab) -> Path:
    return lab.root / ".sysctls.json"
