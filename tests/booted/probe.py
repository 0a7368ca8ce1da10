"""
Tries from inside a service what its sandbox must refuse, and says how each try ended.

Run by the unit itself (ExecStartPost=), so that all of the sandbox holds; writes one
JSON document into the service's runtime directory.  Nothing of ours is imported: it
must run where the tests are not installed.
"""

import ctypes
import errno
import json
import mmap
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
INIT_MODULE = {"x86_64": 175, "aarch64": 105}[os.uname().machine]
CLONE_NEWUSER = 0x10000000
PTRACE_TRACEME = 0
MS_BIND = 4096


def write(path: str) -> None:
    file = Path(path)
    file.write_text("probe")
    file.unlink()


def read(path: str) -> None:
    file = Path(path)
    if file.is_dir():
        next(file.iterdir())
    else:
        file.read_bytes()


def call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def writable_code() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def internet() -> None:
    # No packet is sent: a datagram socket only takes the address.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))


TRIES: dict[str, Callable[[], object]] = {
    "write to /etc": lambda: write("/etc/shoonya-probe"),
    "write to /usr": lambda: write("/usr/shoonya-probe"),
    "write to the program": lambda: write("/opt/shoonya/venv/shoonya-probe"),
    "write to the configuration": lambda: write("/etc/shoonya/shoonya-probe"),
    "read /home": lambda: read("/home/operator/secret"),
    "read /root": lambda: read("/root/secret"),
    "read the stored credentials": lambda: read(
        "/etc/shoonya/credentials/webhook_secret"
    ),
    "read another service's credential": lambda: read(
        "/run/credentials/shoonya@execution_service.service/webhook_secret"
    ),
    "see processes of others": lambda: Path("/proc/1/status").stat(),
    "open an internet socket": internet,
    "trace a process": lambda: call(LIBC.ptrace, PTRACE_TRACEME, 0, 0, 0),
    "load a kernel module": lambda: call(LIBC.syscall, INIT_MODULE, 0, 0, 0),
    "read the kernel's log": lambda: read_device("/dev/kmsg"),
    "mount": lambda: call(LIBC.mount, b"/tmp", b"/tmp", None, MS_BIND, None),
    "become root": lambda: os.setuid(0),
    "make a namespace": lambda: call(LIBC.unshare, CLONE_NEWUSER),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "set the host's name": lambda: call(LIBC.sethostname, b"server", 6),
    "make code at run time": writable_code,
}


def read_device(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as e:
        return errno.errorcode.get(e.errno or 0, str(e))
    return "allowed"


if __name__ == "__main__":
    told = {name: outcome(attempt) for name, attempt in TRIES.items()}
    folder = os.environ.get("RUNTIME_DIRECTORY")
    if folder is None:
        json.dump(told, sys.stdout)
    else:
        (Path(folder) / "probe.json").write_text(json.dumps(told))
