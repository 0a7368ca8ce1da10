"""rsyslog, configured by export-config, ships a log over TCP."""

import shutil
import socketserver
import subprocess
import threading

import pytest

from shoonya_platform.ctl._agents import AGENTS, Service, render
from shoonya_platform.logging import (
    get_component_logger,
    rotate_logs,
    setup_application_logging,
    shutdown_logging,
)
from shoonya_platform.logging.formats import CONTINUATION
from shoonya_platform.logging.reading.received import check
from shoonya_platform.testing.waiting import eventually

pytestmark = pytest.mark.chaos

COMPONENT = "order_watcher"
RECORDS = 600
#: At most half of what a file holds, also in JSON: no file is rotated twice before
#: rsyslog has a look.
BURST = 50
LAST_BURST = RECORDS - BURST
MAX_BYTES = 25_000


class Receiver(socketserver.ThreadingTCPServer):
    """Takes counted frames, as RFC 6587 has them."""

    daemon_threads = True

    def __init__(self):
        self.frames = []
        super().__init__(("127.0.0.1", 0), _Frames)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def records(self):
        """How many came, without the further lines of a traceback."""
        return sum("] " + CONTINUATION not in frame for frame in self.frames)


class _Frames(socketserver.StreamRequestHandler):
    server: Receiver

    def handle(self):
        while True:
            digits = b""
            while (byte := self.rfile.read(1)) not in (b" ", b""):
                digits += byte
            if not digits:
                return
            self.server.frames.append(self.rfile.read(int(digits)).decode())


@pytest.fixture
def receiver():
    with Receiver() as opened:
        yield opened
        opened.shutdown()


@pytest.fixture
def rsyslogd(tmp_path, receiver):
    """Start the real one with what export-config writes."""
    running: list[subprocess.Popen[bytes]] = []
    (tmp_path / "state").mkdir()

    def stop():
        while running:
            process = running.pop()
            process.terminate()
            process.wait(30)

    def start(form):
        service = Service(COMPONENT, str(tmp_path / "logs" / f"{COMPONENT}.log"), form)
        shipping = render(AGENTS["rsyslog"], "files", [service])
        for name, value in (
            ('target="logs.example.com"', 'target="127.0.0.1"'),
            ('port="6514"', f'port="{receiver.server_address[1]}"'),
        ):
            assert name in shipping
            shipping = shipping.replace(name, value)
        configuration = tmp_path / "rsyslog.conf"
        configuration.write_text(
            f'global(workDirectory="{tmp_path}/state")\n{shipping}'
        )
        pid_file = tmp_path / "pid"
        command = (program(), "-n", "-f", configuration, "-i", pid_file)
        running.append(subprocess.Popen(command))
        eventually(pid_file.exists)
        return stop

    yield start
    stop()


def program():
    found = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin")
    assert found is not None, "scripts/test chaos installs it"
    return found


@pytest.mark.parametrize("form", ["text", "json"])
def test_every_record_arrives_across_rotations_and_a_restart(
    tmp_path, receiver, rsyslogd, form
):
    logs = tmp_path / "logs"
    setup_application_logging(
        log_dir=str(logs),
        component=COMPONENT,
        max_bytes=MAX_BYTES,
        backup_count=10,
        budget=None,
        journal=False,
        console=False,
        form=form,
    )
    try:
        stop = rsyslogd(form)
        logger = get_component_logger(COMPONENT)
        for number in range(RECORDS):
            if not number % BURST:
                eventually(lambda: receiver.records() >= number)  # noqa: B023
            if number == LAST_BURST:
                # What is left of a file that is rotated meanwhile it would never read.
                rotate_logs()
                stop()
            if number == LAST_BURST + 20:
                rsyslogd(form)
            write(logger.bind(order_id=number, alert_id=f"A-{number}"), number)
    finally:
        shutdown_logging()
    eventually(lambda: receiver.records() >= RECORDS)

    assert len(list(logs.glob("*.log.*"))) > 2
    found = check(receiver.frames)
    assert (found.records, found.runs) == (RECORDS, 1)
    assert found.findings == ()
    frame = next(each for each in receiver.frames if 'order_id="300"' in each)
    assert frame.startswith("<131>1 ")
    assert f'[shoonya@32473 component="{COMPONENT}" run="' in frame
    assert 'seq="301" order_id="300" alert_id="A-300" event="tried"]' in frame
    traceback = receiver.frames[receiver.frames.index(frame) :][: found.other_lines]
    assert any("ZeroDivisionError" in each for each in [frame, *traceback])

    lost = [each for each in receiver.frames if each is not frame]
    (finding,) = check(lost).findings
    assert (finding.what, finding.ranges) == ("missing", ((301, 301),))


@pytest.mark.parametrize("source", ["files", "journal"])
def test_rsyslog_finds_no_fault_in_it(tmp_path, source):
    forms = {"order_watcher": "text", "dashboard": "json"}
    services = [
        Service(name, f"/logs/{name}.log", form) for name, form in forms.items()
    ]
    configuration = tmp_path / "rsyslog.conf"
    configuration.write_text(
        f'global(workDirectory="{tmp_path}")\n'
        + render(AGENTS["rsyslog"], source, services)
    )

    command = (program(), "-N1", "-f", configuration)
    checked = subprocess.run(command, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stderr
    said = [
        line for line in checked.stderr.splitlines() if "validation run" not in line
    ]
    assert said == []


def write(logger, number):
    if number % 100:
        logger.info("Order %d is worked on", number, event="tried")
        return
    try:
        _ = number // 0
    except ZeroDivisionError:
        logger.exception("Order %d failed", number, event="tried")
