"""
A machine for the tests: a real systemd with journald, in a container over `/`.

Its disk is an overlay over the running system, kept in memory and thrown away, so
the distribution's packages are there and nothing is downloaded.  Needs root,
`systemd-nspawn` and `nsenter`; works where PID 1 is systemd and where it is not.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

STATE = Path("/var/tmp/shoonya-booted")
REBOOT = 133  # nspawn's exit status when the machine asked to be booted again
BOOT_SECONDS = 60.0

ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "USER": "root",
}
#: What the machine must not take over from the system below it: its services,
#: its mounts, and a platform that may be installed there for good.
FOREIGN = (
    "etc/systemd/system",
    "etc/rc2.d",
    "etc/rc3.d",
    "etc/rc5.d",
    "etc/rcS.d",
    "etc/fstab",
    "etc/shoonya",
    "opt/shoonya",
    "var/lib/shoonya",
    "var/log/journal",
    "usr/local/bin/shoonyactl",
)


def why_not() -> str | None:
    """Say why no machine can be booted here; None if one can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("systemd-nspawn", "nsenter", "setpriv"):
        if shutil.which(program) is None:
            return f"'{program}' is missing; scripts/test installs it"
    return None


class Machine:
    """
    One machine; `boot()` it, `run()` commands in it, `destroy()` it.

    Args:
        name: Names its directory and cgroup; one machine a name at a time.

        binds: Folders of ours to show inside, read-only, by their path there.
    """

    def __init__(self, name: str, binds: Mapping[str, Path] | None = None) -> None:
        self.name = name
        self._binds = dict(binds or {})
        self._folder = STATE / name
        self._root = self._folder / "root"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    @property
    def console(self) -> str:
        """What the machine printed while booting, the newest last."""
        try:
            return (self._folder / "console.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def boot(self) -> None:
        """
        Boot, the first time on a fresh disk, and wait until systemd is done.

        Raises:
            AssertionError: It did not come up; its console is in the message.
        """
        if not self._folder.exists():
            self._make_disk()
        self._spawn()
        self._wait_until_up()

    def run(
        self,
        *command: str,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout_seconds: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """
        Run a command inside as root; its output and exit status are the result's.

        Raises:
            AssertionError: It ended with another status than 0 and *check* is set.
        """
        words = [
            f"{key}={value}" for key, value in {**ENVIRONMENT, **(env or {})}.items()
        ]
        done = subprocess.run(
            [
                *self._joining("payload/commands.scope"),
                "nsenter",
                f"--target={self._leader}",
                "--all",
                "--",
                "env",
                "-i",
                "--chdir=/root",
                *words,
                *command,
            ],
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"'{' '.join(command)}' ended with {done.returncode}\n"
                f"{done.stdout}{done.stderr}"
            )
        return done

    def systemd_version(self) -> int:
        """Return the number that units count by: 252 on Debian 12, 257 on 13."""
        return int(self.run("systemctl", "--version").stdout.split()[1])

    def reboot(self) -> None:
        """Shut down in good order and boot the same disk again."""
        self.run("systemctl", "reboot", check=False)
        status = self._wait_until_down()
        if status != REBOOT:
            raise AssertionError(f"nspawn ended with {status}\n{self.console[-4000:]}")
        self._spawn()
        self._wait_until_up()

    def poweroff(self) -> None:
        """Shut down in good order; the disk stays for another `boot()`."""
        self.run("systemctl", "poweroff", check=False)
        self._wait_until_down()

    def destroy(self) -> None:
        """End whatever is left of the machine, and forget its disk."""
        _destroy(self.name)
        if self._nspawn is not None:
            self._nspawn.wait(timeout=10)
            self._nspawn = None

    def _make_disk(self) -> None:
        self._folder.mkdir(parents=True)
        # Who it belongs to: see sweep().
        _owner(self.name).write_text(str(os.getpid()))
        # In memory: it may hold an overlay whatever the file system of /var/tmp.
        _call("mount", "-t", "tmpfs", "-o", "mode=0755", "shoonya", str(self._folder))
        for name in ("root", "upper", "work"):
            (self._folder / name).mkdir()
        _call(
            "mount",
            "-t",
            "overlay",
            "overlay",
            "-o",
            f"lowerdir=/,upperdir={self._folder}/upper,workdir={self._folder}/work",
            str(self._root),
        )
        for place in FOREIGN:
            path = self._root / place
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        (self._root / "etc/systemd/system").mkdir()
        (self._root / "var/log/journal").mkdir()  # the journal outlives a reboot
        (self._root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
        (self._root / "etc/hostname").write_text("server\n")
        (self._root / "etc/hosts").write_text("127.0.0.1 localhost server\n")

    def _spawn(self) -> None:
        with (self._folder / "console.log").open("ab") as console:
            self._nspawn = subprocess.Popen(
                [
                    *self._joining(""),
                    # Should the tests be killed, the machine powers off by itself.
                    "setpriv",
                    "--pdeathsig=TERM",
                    "systemd-nspawn",
                    "--quiet",
                    f"--directory={self._root}",
                    f"--machine={self.name}",
                    "--register=no",
                    "--keep-unit",
                    "--settings=no",
                    "--link-journal=no",
                    "--resolv-conf=off",
                    "--timezone=off",
                    "--console=pipe",
                    # Its own loopback: ports do not meet those of the host.
                    "--private-network",
                    *(
                        f"--bind-ro={str(here).replace(':', chr(92) + ':')}:{there}"
                        for there, here in self._binds.items()
                    ),
                    "--boot",
                ],
                # Pure cgroup v2 inside, as on a real Debian 12 and 13.
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                # Ctrl-C is for the tests, which then shut the machine down.
                start_new_session=True,
            )

    def _joining(self, below: str) -> list[str]:
        # A cgroup of its own keeps two machines, or the host's processes, apart,
        # and lets all of it be killed at once.
        script = "".join(
            f'mkdir -p "{folder}" && echo $$ >"{folder}/cgroup.procs" || exit 125; '
            for folder in (str(path / below) for path in _cgroups(self.name))
        )
        return ["sh", "-c", f'{script}exec "$@"', "sh"]

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            if self._nspawn is None or self._nspawn.poll() is not None:
                break
            self._leader = _init_below(self._nspawn.pid)
            if self._leader:
                state = self.run(
                    "systemctl", "is-system-running", "--wait", check=False
                ).stdout.strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.05)
        raise AssertionError(f"'{self.name}' did not boot\n{self.console[-4000:]}")

    def _wait_until_down(self) -> int:
        if self._nspawn is None:
            raise AssertionError(f"'{self.name}' was never booted")
        status = self._nspawn.wait(timeout=60)
        self._leader = 0
        return status


@contextlib.contextmanager
def booted(name: str, binds: Mapping[str, Path]) -> Iterator[Machine]:
    """Boot a machine of this test run, and destroy it at the end."""
    sweep()
    machine = Machine(f"{name}-{os.getpid()}", binds)
    try:
        machine.boot()
        yield machine
    finally:
        machine.destroy()


def sweep() -> None:
    """Destroy the machines of test runs that did not live to do it."""
    STATE.mkdir(parents=True, exist_ok=True)
    with alone(STATE):
        for owner in STATE.glob("*.owner"):
            with contextlib.suppress(FileNotFoundError):  # ended by itself just now
                pid = owner.read_text().strip()
                if not Path(f"/proc/{pid}").exists():
                    _destroy(owner.stem)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep the other processes of the tests out of a folder that they share."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _destroy(name: str) -> None:
    for cgroup in _cgroups(name):
        _kill_cgroup(cgroup)
    folder = STATE / name
    # The last one is made by nspawn from systemd 256 on.  Killed, it leaves it behind,
    # and refuses to start a machine of that name again.
    exported = Path("/run/systemd/nspawn/unix-export") / name
    for mount in (folder / "root", folder, exported):
        while os.path.ismount(mount):
            _call("umount", "--lazy", str(mount))
    if exported.exists():
        exported.rmdir()
    shutil.rmtree(folder, ignore_errors=True)
    _owner(name).unlink(missing_ok=True)


def _owner(name: str) -> Path:
    return STATE / f"{name}.owner"


def _cgroups(name: str) -> list[Path]:
    """Return the machine's cgroups in the hierarchies that systemd tracks by."""
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.procs").exists():
        return [top / f"shoonya-{name}"]
    return [
        top / hierarchy / f"shoonya-{name}"
        for hierarchy in ("systemd", "unified")
        if (top / hierarchy).is_dir()
    ]


def _kill_cgroup(cgroup: Path) -> None:
    if not cgroup.exists():
        return
    kill = cgroup / "cgroup.kill"
    deadline = time.monotonic() + 10
    while (left := list(_processes(cgroup))) and time.monotonic() < deadline:
        if kill.exists():
            kill.write_text("1")
        else:  # the old hierarchy has no such file
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.02)
    for folder in sorted(cgroup.rglob("*"), reverse=True):
        if folder.is_dir():
            folder.rmdir()
    cgroup.rmdir()


def _processes(cgroup: Path) -> Iterator[str]:
    for procs in cgroup.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):
            yield from procs.read_text().split()


def _init_below(pid: int) -> int:
    """
    Return the first process of the machine that nspawn runs; 0 while there is none.

    At first nspawn has another child, which prepares the mounts and is still in the
    namespaces of the system below: there systemctl asks that system's own systemd.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            status = Path(f"/proc/{child}/status").read_text()
            (pids,) = re.findall(r"^NSpid:(.*)$", status, re.MULTILINE)
            # Its number in each namespace of processes, the innermost last.
            if pids.split()[1:] == ["1"]:
                return int(child)
    return 0


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"'{' '.join(command)}' failed: {done.stderr.strip()}")
