"""What a process that has given up its rights can no longer do; each in a process of its own."""

import platform
import struct
import subprocess
import sys

import pytest
from media_streamer import system_calls

MACHINE = platform.machine()
NEEDS_FILTER = pytest.mark.skipif(
    MACHINE not in ("x86_64", "aarch64"), reason=f"there is no list of system calls for {MACHINE}"
)


FILTER_ALONE = "libc.prctl(38, 1, 0, 0, 0); said = system_calls.refuse()"
"""Without Landlock, which old kernels lack and which would refuse some of it as well."""
WITH_SIBLING = f"""
reads, writes = os.pipe()
sibling = os.fork()
if not sibling:
    os.close(writes)
    os.read(reads, 1)
    os._exit(0)
{FILTER_ALONE}
"""
"""A process of the same user that ends, with status 0, once `writes` is closed."""


def confined(code: str, how: str = "said = cage.enter(cage.Limits(), listens=True)") -> str:
    """What `code` prints after `how`; `call(…)` gives an error's name or `done`."""
    program = f"""
import ctypes, errno, os, socket, threading
from media_streamer import cage, system_calls
libc = ctypes.CDLL(None, use_errno=True)
{how}
def call(*words):
    ctypes.set_errno(0)
    result = libc.syscall(*(ctypes.c_long(word) for word in words))
    return errno.errorcode[ctypes.get_errno()] if result == -1 else "done"
{code}
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@NEEDS_FILTER
def test_every_call_of_the_list_is_refused() -> None:
    """Arguments that are wrong give another error where nothing refuses them."""
    column = 0 if MACHINE == "x86_64" else 1
    numbers = [both[column] for both in system_calls.REFUSED.values() if both[column] is not None]
    found = confined(f"print({{call(n, -1, -1, -1, -1, -1) for n in {numbers}}})\nprint(said)")
    assert found.splitlines()[0] == "{'EPERM'}"
    assert f"{len(system_calls.REFUSED)} system calls refused" in found


@NEEDS_FILTER
def test_no_process_and_no_namespace_but_threads() -> None:
    code = """
try:
    print("forked", os.fork())
except OSError as error:
    print(errno.errorcode[error.errno])
clone = 56 if os.uname().machine == "x86_64" else 220
print(call(clone, 0x10000000 | 17, 0, 0, 0, 0))  # CLONE_NEWUSER, as fork does
print(call(435, 0, 0))
one = threading.Thread(target=lambda: print("thread", call(101 if clone == 56 else 117, 0, 0, 0)))
one.start()
one.join()
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
print(open("/proc/self/status").read().count("Seccomp:\\t2"))
"""
    assert confined(code).split("\n") == ["EPERM", "EPERM", "ENOSYS", "thread EPERM", "1"]


@NEEDS_FILTER
def test_no_signal_reaches_another_process() -> None:
    """Also where the kernel has no Landlock that would refuse it (before 6.12)."""
    code = """
import signal
signal.signal(signal.SIGUSR1, lambda *_: print("own"))
for target in (os.getppid(), 1, 0, -1):
    try:
        os.kill(target, 0)
        print("reached", target)
    except OSError as error:
        print(errno.errorcode[error.errno])
os.kill(os.getpid(), signal.SIGUSR1)
signal.raise_signal(signal.SIGUSR1)
tgkill = 234 if os.uname().machine == "x86_64" else 131
print(call(tgkill, os.getppid(), os.getppid(), 0))
"""
    assert confined(code, FILTER_ALONE).split() == ["EPERM"] * 4 + ["own"] * 2 + ["EPERM"]


@NEEDS_FILTER
def test_no_descriptor_is_given_to_another_process() -> None:
    """Its owner gets a signal of the sender's choice when there is something to read."""
    code = """
import fcntl, struct
a, b = socket.socketpair()
for change, number, value in (
    (fcntl.fcntl, 8, sibling),
    (fcntl.fcntl, 15, struct.pack("ii", 1, sibling)),
    (fcntl.ioctl, 0x8901, struct.pack("i", sibling)),
    (fcntl.ioctl, 0x8902, struct.pack("i", sibling)),
    (fcntl.fcntl, 10, 9),
    (fcntl.fcntl, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK),
    (fcntl.ioctl, 0x5452, struct.pack("i", 1)),
):
    try:
        change(a, number, value)
        print("done", number)
    except OSError as error:
        print(errno.errorcode[error.errno])
fcntl.fcntl(a, fcntl.F_SETFL, fcntl.fcntl(a, fcntl.F_GETFL) | os.O_NONBLOCK)
print(bool(fcntl.fcntl(a, fcntl.F_GETFL) & os.O_NONBLOCK))
b.send(b"x")
os.close(writes)
print(os.waitpid(sibling, 0)[1])
"""
    assert confined(code, WITH_SIBLING).split() == ["EPERM"] * 7 + ["True", "0"]


@NEEDS_FILTER
def test_a_terminal_signals_nobody() -> None:
    """It has an owner by itself, the process in front of it: SIGIO would end that one."""
    how = f"""
import fcntl, pty, time
ours, other = pty.openpty()
reads, writes = os.pipe()
ready, told = os.pipe()
sibling = os.fork()
if not sibling:
    os.close(writes)
    os.setsid()
    fcntl.ioctl(other, 0x540E, 0)  # TIOCSCTTY: the terminal's processes are this one
    os.write(told, b"x")
    os.read(reads, 1)
    os._exit(0)
os.read(ready, 1)
{FILTER_ALONE}
"""
    code = """
for change, number, value in (
    (fcntl.fcntl, fcntl.F_SETFL, os.O_RDWR | os.O_ASYNC),
    (fcntl.ioctl, 0x5452, b"\\1\\0\\0\\0"),
):
    try:
        change(other, number, value)
        print("done")
    except OSError as error:
        print(errno.errorcode[error.errno])
os.write(ours, b"a line\\n")
os.close(writes)
print(os.waitpid(sibling, 0)[1])
"""
    assert confined(code, how).split() == ["EPERM", "EPERM", "0"]


@NEEDS_FILTER
def test_when_others_run_is_not_decided_here() -> None:
    """Nor by root; for itself a process decides, as what sends datagrams evenly does."""
    code = """
import ctypes, platform
idle = os.sched_param(0)
def tried(what, *words):
    try:
        what(*words)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
for process in (sibling, 0, os.getpid()):
    print(tried(os.sched_setscheduler, process, os.SCHED_BATCH, idle))
    print(tried(os.sched_setparam, process, idle))
    print(tried(os.sched_setaffinity, process, os.sched_getaffinity(0)))
attributes = ctypes.create_string_buffer(b"\\x30\\0\\0\\0" + b"\\3\\0\\0\\0", 48)  # SCHED_BATCH
number = 314 if platform.machine() == "x86_64" else 274
for process in (sibling, 0):
    print(call(number, process, ctypes.addressof(attributes), 0))
print(os.sched_getscheduler(sibling))
os.close(writes)
print(os.waitpid(sibling, 0)[1])
"""
    found = confined(code, WITH_SIBLING).split()
    assert found == ["EPERM"] * 3 + ["done"] * 6 + ["EPERM"] * 2 + ["0", "0"]


@NEEDS_FILTER
def test_limits_are_those_of_the_process_itself() -> None:
    """One that is over its CPU time is killed."""
    code = """
import resource
try:
    print("done", resource.prlimit(sibling, resource.RLIMIT_CPU, (1, 1)))
except OSError as error:
    print(errno.errorcode[error.errno])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
print(soft - resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE)[0])
os.close(writes)
print(os.waitpid(sibling, 0)[1])
"""
    assert confined(code, WITH_SIBLING).split() == ["EPERM", "1", "0"]


@NEEDS_FILTER
def test_netlink_is_of_routes_and_pairs_are_of_this_machine() -> None:
    code = """
def tried(make, *words):
    try:
        make(*words)
        return "made"
    except OSError as error:
        return errno.errorcode[error.errno]
print(*(tried(socket.socket, 16, socket.SOCK_RAW, protocol) for protocol in range(32)))
print(*(tried(socket.socketpair, family, socket.SOCK_STREAM) for family in range(1, 50)))
socket.getaddrinfo("localhost", 80)
"""
    netlink, pairs = confined(code, FILTER_ALONE).splitlines()
    assert netlink.split() == ["made"] + ["EAFNOSUPPORT"] * 31
    assert pairs.split() == ["made"] + ["EAFNOSUPPORT"] * 48


@NEEDS_FILTER
def test_sockets_are_of_families_that_are_needed() -> None:
    code = """
import fcntl
for family in range(50):
    for kind in (socket.SOCK_STREAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try:
            socket.socket(family, kind).close()
            print(family)
        except OSError as error:
            if error.errno != errno.EAFNOSUPPORT and family not in (1, 2, 10, 16):
                print("asked", family, error)
socket.getaddrinfo("localhost", 80)
a, b = socket.socketpair()
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
for request in (0x5412, 0x541C):
    try:
        fcntl.ioctl(a, request, b"x")
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
    found = confined(code, FILTER_ALONE).split()
    assert set(found[:-2]) <= {"1", "2", "10", "16"}
    assert {"1", "2"} <= set(found[:-2])
    assert found[-2:] == ["EPERM"] * 2


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_jumps_stay_within_the_filter(machine: str) -> None:
    code = system_calls.program(machine, 4711)
    lines = list(struct.iter_unpack("=HBBI", code))
    assert len(lines) * 8 == len(code)
    assert [line[0] for line in lines[-4:]] == [0x06] * 4
    for at, (kind, yes, no, _) in enumerate(lines[:-4]):
        assert max(at + 1 + yes, at + 1 + no) < len(lines)
        assert kind == 0x20 or yes or no, "a check that decides nothing"


def test_a_machine_without_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_calls.platform, "machine", lambda: "riscv64")
    assert system_calls.refuse() == "system calls are not refused on riscv64"
