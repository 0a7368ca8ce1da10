"""docs/noren.md alone leads to the first order: its practice, word by word."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoonya_platform.testing.waiting import eventually

PAGE = (Path(__file__).parents[2] / "docs" / "noren.md").read_text()


def blocks(title: str) -> list[str]:
    """Return the commands of a section."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Reader:
    """A user who types what the page says, in a directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._simulator = free_port()
        self._environ = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            # The page's own ports may be in use on this machine.
            "SHOONYA_WEBHOOK_PORT": str(free_port()),
            "SHOONYA_DASHBOARD_PORT": str(free_port()),
            # As step 1 to 3 set it.
            "SHOONYA_CONFIG": str(folder / "shoonya.toml"),
        }
        self._begun: list[subprocess.Popen[bytes]] = []

    def type(self, text: str, *, stdin: str = "", codes: tuple[int, ...] = (0,)) -> str:
        """Run commands as the page has them; return what they print."""
        done = subprocess.run(
            ["bash", "-e", "-c", self._adapted(text)],
            cwd=self.folder,
            env=self._environ,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in codes, done.stdout
        return done.stdout

    def begin(self, text: str) -> None:
        with (self.folder / "begun.log").open("ab") as log:
            command = ["bash", "-e", "-c", f"exec {self._adapted(text)}"]
            self._begun.append(
                subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=self._environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def said(self, text: str, *, times: int = 1) -> bool:
        return (self.folder / "begun.log").read_text().count(text) >= times

    def stop_newest(self) -> None:
        process = self._begun.pop()
        process.send_signal(signal.SIGTERM)
        process.wait(60)

    def close(self) -> None:
        for process in reversed(self._begun):
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def _adapted(self, text: str) -> str:
        port = str(self._simulator)
        text = text.replace("sudo ", "").replace(":8900/", f":{port}/")
        return text.replace("simulate noren", f"simulate noren --port {port}")


@pytest.fixture
def reader() -> Iterator[Reader]:
    # Not tmp_path: a socket's path holds at most 107 characters.
    with tempfile.TemporaryDirectory() as name:
        reader = Reader(Path(name))
        yield reader
        reader.close()


def test_practice_leads_to_the_first_filled_order(reader):
    prepare, up, login_page, price = blocks("Practice")
    # The simulator runs on in the reader's shell; here it is a process of its own.
    background = "shoonyactl simulate noren > simulator.toml &\n"
    before, after = prepare.split(background)
    reader.type(before)
    reader.begin(background.removesuffix(" &\n"))
    printed = reader.folder / "simulator.toml"
    eventually(
        lambda: printed.exists() and "api_secret" in printed.read_text(),
        message="the simulator to print its settings",
    )
    assert "usable" in reader.type(after)
    reader.begin(up)

    location = reader.type(login_page)
    code = re.search(r"(?i)location:.*code=(\w+)", location)
    assert code is not None, location
    (broker_login, *_) = blocks("5. The daily login")
    assert "logged in as SIM0001" in reader.type(broker_login, stdin=f"{code[1]}\n")
    eventually(
        lambda: reader.said("all eight services are ready"),
        message="the services to be ready",
    )
    # The simulator need not list all exchanges, which is a warning here.
    checked = reader.type(*blocks("6. Funds"), codes=(0, 1))
    assert "rupees are available" in checked
    assert "error " not in checked
    reader.type(price)

    send, look = blocks("7. A first order of one lot")

    assert "filled" in reader.type(send)
    assert "RELIANCE-EQ" in reader.type(look)
    halt, _ = blocks("8. Stop, and go back to paper")
    assert "HALTED" in reader.type(halt)

    # On the paper account, an alert exits nothing of the live one.
    reader.stop_newest()
    config = reader.folder / "shoonya.toml"
    config.write_text(config.read_text().replace('name = "shoonya"', 'name = "paper"'))
    reader.begin(up)
    eventually(
        lambda: reader.said("all eight services are ready", times=2),
        message="the services to be ready again",
    )
    exit_alert = send.replace('"buy"', '"sell", "execution_type": "exit"')
    assert "nothing to exit" in reader.type(exit_alert, codes=(32,))
    assert "NSE:RELIANCE-EQ +1" in reader.type("shoonyactl check", codes=(1,))
