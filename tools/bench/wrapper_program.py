"""Times runtime calls on a node, directly and through `podferry-runc`, in alternating pairs.

Runs on the node as a program of its own (standard library only): PAIRS FRONT RUNC. Prints JSON:
[{"call", "behind", "pairs": [[direct ms, front ms], ...]}]. `behind` is `runc`, or `nothing`: a
program that ends at once in runc's place, which leaves the front's own cost.
"""

import json
import os
import shutil
import sys
import time

ROOT = "/run/podferry-bench/runc"
BUNDLE = "/var/lib/podferry-bench-bundle"
GONE = "podferry-bench-no-such-container"
NOTHING = "/bin/true"


def timed(argv: list[str], env: dict[str, str]) -> float:
    """Milliseconds of one call, from its start to its end."""
    began = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, env, file_actions=SILENT)
    os.waitpid(pid, 0)
    return (time.perf_counter() - began) * 1000


NULL = os.open(os.devnull, os.O_RDWR)
SILENT = [(os.POSIX_SPAWN_DUP2, NULL, stream) for stream in (0, 1, 2)]


def make_bundle(runc: str) -> None:
    """A container that can be created and is never started; its program is an empty file."""
    shutil.rmtree(BUNDLE, ignore_errors=True)
    os.makedirs(f"{BUNDLE}/rootfs")
    os.close(os.open(f"{BUNDLE}/rootfs/program", os.O_CREAT | os.O_WRONLY, 0o755))
    os.chdir(BUNDLE)
    os.waitpid(os.posix_spawnp(runc, [runc, "spec"], os.environ, file_actions=SILENT), 0)
    with open("config.json") as source:
        config = json.load(source)
    config["process"].update(args=["/program"], terminal=False)
    config["process"].pop("rlimits", None)
    config["linux"]["cgroupsPath"] = "/podferry-bench"
    config["annotations"] = {"io.kubernetes.cri.container-type": "container"}
    with open("config.json", "w") as out:
        json.dump(config, out)


def call(word: str, identity: str) -> list[str]:
    """The arguments of a runtime call as containerd gives them."""
    head = ["--root", ROOT, "--log", "/dev/null", "--log-format", "json", word]
    tail = {"kill": [identity, "15"], "delete": [identity], "state": [identity]}
    create = ["--bundle", BUNDLE, "--pid-file", "/run/podferry-bench/pid", identity]
    return head + tail.get(word, create)


def pairs(word: str, behind: str, front: str, runc: str, number: int) -> list[list[float]]:
    """[direct, front] of each pair; who goes first changes from pair to pair."""
    program = runc if behind == "runc" else NOTHING
    env = {**os.environ, "PODFERRY_RUNC": program}
    made = word == "create" and behind == "runc"
    found = []
    for index in range(number):
        took = [0.0, 0.0]
        for who in (index % 2, 1 - index % 2):
            identity = f"podferry-bench-{index}-{who}" if made else GONE
            took[who] = timed([(program, front)[who], *call(word, identity)], env)
            if made and not os.path.exists(f"{ROOT}/{identity}"):
                raise SystemExit(f"{(program, front)[who]} create made no container")
            if made:
                timed([runc, "--root", ROOT, "delete", "--force", identity], env)
        found.append(took)
    return found


def main(argv: list[str]) -> None:
    """Measure every call; print what was found."""
    number, front, runc = int(argv[0]), argv[1], argv[2]
    os.makedirs(ROOT, exist_ok=True)
    make_bundle(runc)
    found = [
        {"call": word, "behind": behind, "pairs": pairs(word, behind, front, runc, number)}
        for word in ("state", "kill", "delete", "create")
        for behind in ("runc", "nothing")
    ]
    shutil.rmtree(BUNDLE, ignore_errors=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
