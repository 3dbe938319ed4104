"""podferry-runc, the careful half: `create` of a container whose pod is to be restored.

Started by podferry-runc.sh with `python3 -I -S`; standard library only, one file. Owns: the hold,
the claim, the one restore. Never does: create plainly a container whose attempt does not say so,
for a fresh copy beside a living source is the worst that can happen.
The rules are in podferry/wire/layout.py; the constants below are generated from podferry/wire.
"""

import ctypes
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time

ANNOTATION_RESTORE = 'podferry.dev/restore'
ANNOTATION_RESTORE_ROLE = 'podferry.dev/restore-role'
ANNOTATION_RESTORE_CONTAINER = 'podferry.dev/restore-container'
ANNOTATION_RESTORE_HOOKS = 'podferry.dev/restore-hooks'
ANNOTATION_RESTORE_ANEW = 'podferry.dev/restore-anew'
STATE_DIR = '/var/lib/podferry'
RUN_DIR = '/run/podferry'
CREATE_HOLD_SECONDS = 100

ROLES = ("replacement", "rehearsal", "final")
POLL_SECONDS = 0.003
PR_SET_PDEATHSIG = 1
EXIT_0 = {"x86_64": (62, "b83c00000031ff0f05"), "aarch64": (183, "000080d2a80b80d2010000d4")}
RESTORE_SECONDS = 60
SETTLE_SECONDS = 5
VALUE_FLAGS = ("--root", "--log", "--log-format", "--criu", "--rootless")
CREATE_VALUE_FLAGS = ("--bundle", "-b", "--pid-file", "--console-socket", "--pidfd-socket",
                      "--preserve-fds")


class Refused(Exception):
    """This container must not start; the text says why and what will happen next."""


class Call:
    """The command line of a `runc create`, taken apart."""

    def __init__(self, argv):
        self.globals, self.flags, self.log = [], {}, ""
        self.hook = None
        rest = list(argv)
        while rest and rest[0] != "create":
            word = rest.pop(0)
            self.globals.append(word)
            if word in VALUE_FLAGS:
                self.globals.append(rest.pop(0))
                if word == "--log":
                    self.log = self.globals[-1]
            elif word.startswith("--log="):
                self.log = word.partition("=")[2]
        rest.pop(0)
        self.id = ""
        while rest:
            word = rest.pop(0)
            name, equals, value = word.partition("=")
            if name in CREATE_VALUE_FLAGS:
                self.flags[name] = value if equals else rest.pop(0)
            elif not word.startswith("-"):
                self.id = word
        self.bundle = self.flags.get("--bundle") or self.flags.get("-b") or os.getcwd()


def main(argv):
    """Decide and act; the exit code is runc's."""
    call = Call(argv)
    try:
        return decide(call, argv)
    except Refused as refusal:
        say(call, str(refusal))
        return 1
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        say(call, "this container was not created: %s: %s" % (type(error).__name__, error))
        return 1


def decide(call, argv):
    """What this create is: plain, refused, or the restore of an attempt. Raises Refused."""
    with open(os.path.join(call.bundle, "config.json")) as source:
        annotations = json.load(source).get("annotations") or {}
    kind = annotations.get("io.kubernetes.cri.container-type")
    pod = annotations.get("io.kubernetes.cri.sandbox-uid", "")
    if kind == "container" and pod and os.path.exists("%s/blocked/%s" % (STATE_DIR, pod)):
        raise Refused("this pod's workload was frozen to be moved and may run elsewhere; no second"
                      " copy is started. See the Migrations of its namespace")
    order = annotations.get(ANNOTATION_RESTORE)
    if kind != "container" or not order:
        return plain(argv)
    return restore(call, annotations, argv, order)


def plain(argv):
    """Become the real runc."""
    runc = os.environ.get("PODFERRY_RUNC") or "runc"
    os.execvp(runc, [runc, *argv])


def restore(call, annotations, argv, order):
    """Hold until the agent says what to do, then do exactly that."""
    uid, _, attempt = order.rpartition(".")
    if not re.fullmatch(r"[0-9a-f-]{36}", uid) or not attempt.isdigit():
        raise Refused("annotation %s=%r names no attempt" % (ANNOTATION_RESTORE, order))
    role = annotations.get(ANNOTATION_RESTORE_ROLE, "replacement")
    if role not in ROLES:
        raise Refused("annotation %s=%r is none of %s" % (ANNOTATION_RESTORE_ROLE, role, ROLES))
    pod = annotations.get("io.kubernetes.cri.sandbox-uid", "")
    folder = "%s/attempts/%s/target" % (STATE_DIR, order)
    call.hook = json.loads(annotations.get(ANNOTATION_RESTORE_HOOKS) or "{}").get(
        annotations.get("io.kubernetes.cri.container-name"))
    if may_create_plainly(folder, pod):
        note_again(call, annotations, folder, pod)
        return plain(argv)
    deadline = time.monotonic() + CREATE_HOLD_SECONDS
    wait_for(lambda: os.path.isdir(folder), deadline, "the agent of this node knows no attempt "
             + order)
    moved = annotations.get(ANNOTATION_RESTORE_CONTAINER)
    name = annotations.get("io.kubernetes.cri.container-name")
    if moved and moved != name:
        if name in annotations.get(ANNOTATION_RESTORE_ANEW, "").split(","):
            defer(call.id, folder, order, pod)
            return plain(argv)
        wanted(folder, role, pod, call.id)  # refuses where nothing of this pod may start
        do_nothing(call.bundle)
        return plain(argv)
    lock = open(os.path.join(folder, "claim-%s.lock" % role), "a")
    wait_for(lambda: try_lock(lock), deadline, "another create of this attempt still runs")
    # It refuses before an earlier container is ended that may have run.
    wanted(folder, role, pod, call.id)
    end_earlier(folder, role, call)
    write(folder, "claim-%s.json" % role, {
        "containerID": call.id, "podUID": pod, "bundle": call.bundle, "wrapperPID": os.getpid(),
        "bootID": boot_id(), "at": time.time(), "cgroup": group_of(call.bundle)})
    plan = wait_for(lambda: wanted(folder, role, pod, call.id), deadline,
                    "the order to restore did not come within %d s; kubelet tries again"
                    % CREATE_HOLD_SECONDS)
    if plan["action"] == "plain":
        return plain(argv)
    return restore_once(call, folder, role, pod, plan)


def defer(identity, folder, order, pod):
    """Let the agent start this container, once the workload beside it runs. See wire/layout.py.

    It must not be held in `create`: kubelet makes the containers of a pod one after the other, and
    the one that it waits for may come after this one.
    """
    if os.path.exists(os.path.join(folder, "ABORTED")):
        raise Refused("this move was rolled back; the workload runs on its source node")
    for name in ("RESUMED", "RESUMING"):
        marker = read(folder, name)
        if marker and marker.get("podUID") != pod:
            raise Refused("another pod was resumed from this attempt")
    for name in ("waiting", "deferred"):
        os.makedirs("%s/%s" % (RUN_DIR, name), mode=0o700, exist_ok=True)
    write(RUN_DIR + "/deferred", identity, {"attempt": order, "podUID": pod})


def do_nothing(bundle):
    """Put a program that exits with 0 in the place of an init container's own.

    Its work was done on the source and travels in the pod's files. The image may hold no such
    program (no shell, nothing), so this is one of its own, of three instructions.
    """
    machine = os.uname().machine
    if machine not in EXIT_0:
        raise Refused("init containers cannot be passed over on a %s; known: %s"
                      % (machine, ", ".join(sorted(EXIT_0))))
    number, code = EXIT_0[machine]
    code, base, head = bytes.fromhex(code), 0x400000, 64 + 56
    size = head + len(code)
    elf = struct.pack("<4s12sHHIQQQIHHHHHH", b"\x7fELF", bytes((2, 1, 1)), 2, number, 1,
                      base + head, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    elf += struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000) + code
    config = read(bundle, "config.json")
    name = ".podferry-" + os.urandom(8).hex()
    place = os.path.join(bundle, config["root"]["path"], name)
    # A new file right in the root: no link of the image can lead it elsewhere.
    out = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o755)
    os.fchmod(out, 0o755)
    os.write(out, elf)
    os.close(out)
    config["process"].update(args=["/" + name], cwd="/")
    write(bundle, "config.json", config)


def may_create_plainly(folder, pod):
    """Whether this pod was already moved here, so that this is a restart of its container.

    One that was given up afterwards (a PostCopy that lost its pages) runs at its source again.
    """
    if os.path.exists(os.path.join(folder, "ABORTED")):
        return False
    resumed = read(folder, "RESUMED")
    return bool(resumed) and bool(pod) and resumed.get("podUID") == pod


def note_again(call, annotations, folder, pod):
    """Tell the agent of a container that starts anew while its memory was still to come.

    Noted first, looked at again then: an agent that gives the attempt up writes ABORTED first and
    looks for this second, so that one of the two sees the other. Raises Refused.
    """
    moved = annotations.get(ANNOTATION_RESTORE_CONTAINER)
    if moved and moved != annotations.get("io.kubernetes.cri.container-name"):
        return
    if not (read(folder, "restore.json") or {}).get("lazy"):
        return
    write(folder, "again.json", {
        "containerID": call.id, "podUID": pod, "wrapperPID": os.getpid(), "bootID": boot_id()})
    if not may_create_plainly(folder, pod):
        raise Refused("this move was taken back; the workload runs on its source node")


def wanted(folder, role, pod, identity):
    """The agent's plan once it is for this very container; None while it says hold.

    Another container of the same pod was filled with the source's files; this one may be empty.
    """
    if os.path.exists(os.path.join(folder, "ABORTED")):
        raise Refused("this move was rolled back; the workload runs on its source node")
    for name in ("RESUMED", "RESUMING"):
        marker = read(folder, name)
        if marker and marker.get("podUID") == pod:
            if name == "RESUMED":
                return {"action": "plain"}
            raise Refused("this container was being resumed when it ended; its fate is not known")
        if marker:
            raise Refused("another pod was resumed from this attempt")
    plan = read(folder, "restore.json") or {}
    if plan.get("action") == "refuse":
        raise Refused("the agent refuses this restore; see the Migration's conditions")
    if (plan.get("action") == "restore" and role in plan.get("roles", ())
            and plan.get("containerID") == identity):
        return plan
    return None


def restore_once(call, folder, role, pod, plan):
    """runc restore, frozen; on any failure nothing of it is left."""
    if plan.get("spend") and not spend(plan["imagePath"]):
        message = ("these images are gone, or a restore of them began before and took pages out, so"
                   " that a second one would read zeros. The source still has its memory")
        write(folder, "failed-%s.json" % role, {
            "containerID": call.id, "podUID": pod, "reason": "ImagesSpent", "message": message})
        raise Refused(message)
    set_config(call.bundle, own_config(call.id, plan["criuConfig"]))
    runc = os.environ.get("PODFERRY_RUNC") or "runc"
    command = [runc, *call.globals, "restore", "--detach", "--image-path", plan["imagePath"],
               "--work-path", plan["workPath"], "--bundle", call.bundle, "--tcp-established",
               "--ext-unix-sk", "--file-locks", "--manage-cgroups-mode", "ignore"]
    for flag in ("--pid-file", "--console-socket"):
        if flag in call.flags:
            command += [flag, call.flags[flag]]
    if plan.get("lazy"):
        command.append("--lazy-pages")
    if plan.get("spend"):
        command.append("--auto-dedup")
    command.append(call.id)
    began = time.monotonic()
    done = guard(group_of(call.bundle))
    code = run_child(command)
    init = pid_of(call) if code == 0 else 0
    frozen = bool(init) and settles_frozen(freezer_of(init))
    if frozen:
        done()
        if call.hook:
            arm_hook(call, "%s/hook-%s.json" % (folder, role))
        mark_restored(call.id)
        write(folder, "restored-%s.json" % role, {
            "containerID": call.id, "podUID": pod, "initPID": init,
            "seconds": round(time.monotonic() - began, 4)})
        return 0
    reason = "RestoreFailed" if code else "NotFrozen"
    message = criu_error(plan["workPath"]) or (
        "runc restore ended with %d" % code if code else "the restored tasks were not frozen")
    destroy(call)
    done()
    write(folder, "failed-%s.json" % role, {
        "containerID": call.id, "podUID": pod, "reason": reason, "message": message})
    raise Refused("restore failed: " + message)


def spend(images):
    """Mark these images as used up, before criu gives back their first page. False if they are,
    or cannot be marked.

    The mark lies in the images' own file system: it lives exactly as long as they do.
    """
    try:
        os.close(os.open(images + "/SPENT", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError:
        return False
    return True


def guard(group):
    """Fork a process that kills the container's group if we die; call the result to dismiss it.

    containerd ends only this process when it loses patience, and runc with it (PDEATHSIG), but a
    criu works on by itself and would leave tasks that nobody knows of.
    """
    alarm, hold = os.pipe()
    if os.fork():
        os.close(alarm)

        def dismiss():
            os.write(hold, b"x")
            os.close(hold)

        return dismiss
    try:
        os.setsid()
        os.close(hold)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        if not os.read(alarm, 1):
            kill_group(group)
    finally:
        os._exit(0)


def run_child(command):
    """Run in a process group of its own that dies with us. Returns the exit code."""
    libc = ctypes.CDLL(None)

    def prepare():
        os.setpgid(0, 0)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    child = subprocess.Popen(command, preexec_fn=prepare)
    try:
        return child.wait(RESTORE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return child.wait() or 1


def end_earlier(folder, role, call):
    """Destroy what an earlier create of this attempt and role left under another container ID."""
    earlier = read(folder, "claim-%s.json" % role)
    if not earlier or earlier.get("containerID") == call.id:
        return
    if earlier.get("bootID") != boot_id():
        return
    if not kill_group(earlier.get("cgroup")):
        raise Refused("tasks of the earlier container %s do not end" % earlier["containerID"][:12])
    for name in ("restored-%s.json" % role, "failed-%s.json" % role):
        try:
            os.unlink(os.path.join(folder, name))
        except FileNotFoundError:
            pass


def destroy(call):
    """Kill what a failed restore left, by its group since no pid may be known, and forget it."""
    kill_group(group_of(call.bundle))
    unmount_root(call)
    runc = os.environ.get("PODFERRY_RUNC") or "runc"
    subprocess.run([runc, *call.globals, "delete", "--force", call.id],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def unmount_root(call):
    """Take away the mount that a killed `runc restore` leaves in its state folder.

    `runc delete` removes that folder with everything in it, which is the root file system then.
    """
    base = "/run/runc"
    for index, word in enumerate(call.globals):
        if word == "--root":
            base = call.globals[index + 1]
        elif word.startswith("--root="):
            base = word.partition("=")[2]
    place = "%s/%s/criu-root" % (base, call.id)
    if os.path.isdir(place):
        subprocess.run(["umount", "-l", place], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


def group_of(bundle):
    """[folder of the freezer group, is v2] that runc uses for a bundle, None when it names none."""
    with open(os.path.join(bundle, "config.json")) as source:
        path = (json.load(source).get("linux") or {}).get("cgroupsPath") or ""
    if path.count(":") == 2:
        parent, prefix, name = path.split(":")
        # systemd nests a-b.slice in a.slice
        words = parent.removesuffix(".slice").split("-")
        slices = ["-".join(words[:end]) + ".slice" for end in range(1, len(words) + 1)]
        path = "/" + "/".join([*slices, "%s-%s.scope" % (prefix, name)])
    if not path.strip("/"):
        return None
    unified = not os.path.isdir("/sys/fs/cgroup/freezer")
    base = "/sys/fs/cgroup" if unified else "/sys/fs/cgroup/freezer"
    return [base + "/" + path.strip("/"), unified]


def freezer_of(pid):
    """(folder of the freezer group, is v2) of a process, None when it is gone."""
    unified = None
    try:
        with open("/proc/%d/cgroup" % pid) as table:
            for line in table:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                if "freezer" in controllers.split(","):
                    return "/sys/fs/cgroup/freezer" + path, False
                if not controllers:
                    unified = "/sys/fs/cgroup" + path
    except OSError:
        return None
    return (unified, True) if unified else None


def settles_frozen(group):
    """Whether the action script asked for the freeze, and every task is frozen within 5 s.

    The freeze is never asked for here: tasks that ran even for a moment are not "never ran".
    """
    if group is None:
        return False
    folder, unified = group
    asked, state, word = (("cgroup.freeze", "cgroup.events", "frozen 1") if unified else
                          ("freezer.self_freezing", "freezer.state", "FROZEN"))
    try:
        if content(folder, asked).strip() != "1":
            return False
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            if word in content(folder, state):
                return True
            time.sleep(POLL_SECONDS)
    except OSError:
        pass
    return False


def content(folder, name):
    """Text of a control file."""
    with open(folder + "/" + name) as source:
        return source.read()


def kill_group(group):
    """SIGKILL a container's tasks and thaw them so that they die. True when none is left."""
    if group is None:
        return True
    folder, unified = group
    name, word = ("cgroup.freeze", "0") if unified else ("freezer.state", "THAWED")
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        try:
            tasks = [int(line) for line in content(folder, "cgroup.procs").split()]
            if not tasks:
                return True
            for task in tasks:
                try:
                    os.kill(task, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            with open(folder + "/" + name, "w") as state:
                state.write(word)
        except FileNotFoundError:
            return True
        except OSError:
            pass
        time.sleep(POLL_SECONDS)
    return False


def own_config(identity, path):
    """Copy the criu configuration to a place that lives as long as the container.

    runc keeps the path and reads it again at the container's next dump, long after the attempt's
    folder is gone; the agent then writes that dump's configuration there.
    """
    os.makedirs(RUN_DIR + "/criu", mode=0o700, exist_ok=True)
    place = "%s/criu/%s.conf" % (RUN_DIR, identity)
    with open(path) as source, open(place, "w") as out:
        out.write(source.read())
    return place


def set_config(bundle, path):
    """Name the restore's own criu configuration in the bundle; integers stay exact."""
    place = os.path.join(bundle, "config.json")
    with open(place) as source:
        config = json.load(source)
    config.setdefault("annotations", {})["org.criu.config"] = path
    with open(place + ".tmp", "w") as out:
        json.dump(config, out)
    os.replace(place + ".tmp", place)


def pid_of(call):
    """Init pid that runc wrote, 0 if it wrote none."""
    try:
        with open(call.flags.get("--pid-file", "")) as source:
            return int(source.read())
    except (OSError, ValueError):
        return 0


def mark_restored(identity):
    """`start` of this container is a no-op, once."""
    os.makedirs(RUN_DIR + "/restored", mode=0o700, exist_ok=True)
    with open("%s/restored/%s" % (RUN_DIR, identity), "w"):
        pass


def arm_hook(call, record):
    """Have skip_hook.py answer kubelet's call of the postStart hook, which ran at the source."""
    os.makedirs(RUN_DIR + "/hook", mode=0o700, exist_ok=True)
    write(RUN_DIR + "/hook", call.id, {
        "containerID": call.id, "command": call.hook, "record": record,
        "at": time.clock_gettime(time.CLOCK_BOOTTIME)})


def criu_error(work):
    """CRIU's own error lines of this restore."""
    try:
        with open(work + "/restore.log", errors="replace") as log:
            found = re.findall(r"Error \([^)]*\): (.*)", log.read())
    except OSError:
        return ""
    found = [line for line in found if "RLIMIT_NOFILE" not in line]
    return "criu: " + "; ".join(found[:3]) if found else ""


def wait_for(condition, deadline, otherwise):
    """Poll until the condition is true; its value. Raises Refused at the deadline."""
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Refused(otherwise)
        time.sleep(POLL_SECONDS)


def try_lock(lock):
    """Take the lock if it is free."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def read(folder, name):
    """A JSON file of the attempt, None when it is not there."""
    try:
        with open(os.path.join(folder, name)) as source:
            return json.load(source)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write(folder, name, value):
    """Write a JSON file of the attempt durably and at once."""
    place = os.path.join(folder, name)
    with open(place + ".tmp", "w") as out:
        json.dump(value, out)
        out.flush()
        os.fsync(out.fileno())
    os.replace(place + ".tmp", place)


def boot_id():
    """Identity of this boot of the node."""
    with open("/proc/sys/kernel/random/boot_id") as source:
        return source.read().strip()


def say(call, message):
    """To kubelet's event, by runc's own log file, and to stderr."""
    sys.stderr.write("podferry: %s\n" % message)
    if call.log:
        try:
            with open(call.log, "a") as log:
                log.write(json.dumps({"level": "error", "msg": "podferry: " + message,
                                      "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
                          + "\n")
        except OSError:
            pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
