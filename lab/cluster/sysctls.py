"""Machine-wide kernel settings that a lab changes: kept before, put back after the last lab.

kubelet sets the first ones itself; the pipe size is raised for CRIU, which cannot exceed it
without CAP_SYS_RESOURCE.
"""

from __future__ import annotations

import contextlib
import json
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
PIPE_BYTES = 16 << 20


def prepare(lab: Lab, proc: Path = Path("/proc/sys")) -> None:
    """Keep the values once for all labs under this root, then raise the pipe size."""
    kept = _file(lab)
    if not kept.exists():
        values = {}
        for name in (*BY_KUBELET, PIPE):
            with contextlib.suppress(OSError):
                values[name] = (proc / name).read_text().strip()
        kept.write_text(json.dumps(values))
    with contextlib.suppress(OSError, ValueError):
        if int((proc / PIPE).read_text()) < PIPE_BYTES:
            (proc / PIPE).write_text(str(PIPE_BYTES))


def restore(lab: Lab, proc: Path = Path("/proc/sys")) -> None:
    """Put the values back unless another lab still runs under this root."""
    kept = _file(lab)
    if not kept.exists() or any(lab.root.glob("*/state.json")):
        return
    for name, value in json.loads(kept.read_text()).items():
        with contextlib.suppress(OSError):
            if (proc / name).read_text().strip() != value:
                (proc / name).write_text(value)
    kept.unlink()


def _file(lab: Lab) -> Path:
    return lab.root / ".sysctls.json"
