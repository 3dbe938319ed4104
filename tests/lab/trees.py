"""Files of a container, written and described from its node: the image needs no shell."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.cluster import Cluster

_BODY = """
import hashlib, json, os, stat, struct, sys
os.umask(0)
root = f"/proc/{sys.argv[1]}/root"

def at(path):
    return root + path

def put(path, data, mode=0o644, owner=(0, 0)):
    with open(at(path), "wb") as file:
        file.write(data)
    os.chown(at(path), *owner)
    os.chmod(at(path), mode)
"""

_DESCRIBE = (
    _BODY
    + """
found, inodes = {}, {}

def describe(path):
    info = os.lstat(at(path))
    entry = [stat.filemode(info.st_mode), info.st_uid, info.st_gid, int(info.st_mtime)]
    if stat.S_ISLNK(info.st_mode):
        entry.append(os.readlink(at(path)))
    elif stat.S_ISREG(info.st_mode):
        with open(at(path), "rb") as file:
            entry.append(hashlib.file_digest(file, "sha256").hexdigest())
        entry += [info.st_size, info.st_blocks * 512 < info.st_size // 2]
        first = inodes.setdefault((info.st_dev, info.st_ino), path)
        entry.append(first if info.st_nlink > 1 else "")
    if not stat.S_ISLNK(info.st_mode):
        entry.append({name: os.getxattr(at(path), name).hex()
                      for name in os.listxattr(at(path)) if name.startswith("user.")})
    found[ascii(path)] = entry
    if stat.S_ISDIR(info.st_mode):
        for name in sorted(os.listdir(at(path))):
            describe(f"{path}/{name}")

for path in sys.argv[2:]:
    describe(path)
print(json.dumps(found))
"""
)


def change(cluster: Cluster, node: str, pid: int, script: str) -> None:
    """Run lines of Python that use `at(path)` and `put(path, data, mode, owner)`."""
    cluster.exec(node, ["python3", "-I", "-c", _BODY + script, str(pid)])


def describe(cluster: Cluster, node: str, pid: int, *paths: str) -> dict[str, Any]:
    """Path -> mode, owner, time, then content (sha256, size, sparse, hard link) or target."""
    said = cluster.exec(node, ["python3", "-I", "-c", _DESCRIBE, str(pid), *paths])
    found: dict[str, Any] = json.loads(said)
    return found
