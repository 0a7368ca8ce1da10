"""The eight services under systemd, installed by the documented command."""

import re
import sys
import time
from datetime import datetime
from functools import partial

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.testing.waiting import eventually
from tests.booted.platform import CONFIG, Platform, unit

pytestmark = pytest.mark.usefixtures("running")


def test_documented_command_leaves_eight_ready_services(platform):
    status = platform.ctl("status")

    assert {s["service"]: s["state"] for s in status["services"]} == dict.fromkeys(
        COMPONENTS, "running"
    )
    for name in COMPONENTS:
        eventually(partial(status_text, platform, name))


def test_probe_man_and_completion_are_there_after_the_installation(platform):
    def is_well():
        done = platform.machine.run("shoonyactl", "check", check=False)
        assert done.stdout.startswith("SHOONYA OK - 8 of 8 running, ")
        return done.returncode == 0

    eventually(is_well)
    share = "/usr/local/share"
    platform.machine.run("test", "-s", f"{share}/man/man1/shoonyactl-order-list.1")
    for place in (
        "bash-completion/completions/shoonyactl",
        "zsh/site-functions/_shoonyactl",
        "fish/vendor_completions.d/shoonyactl.fish",
    ):
        found = platform.machine.run("cat", f"{share}/{place}").stdout
        assert "_SHOONYACTL_COMPLETE" in found


def status_text(platform: Platform, name: str) -> str:
    return platform.show(name, "StatusText")["StatusText"]


def test_alert_becomes_two_filled_orders(platform):
    platform.wait_until_filled_once(platform.send())


def test_doorbells_ring_from_sandbox_to_sandbox(platform):
    def is_quick() -> bool:
        alert_id = platform.send()
        platform.wait_until_filled_once(alert_id)
        order = platform.orders(alert_id)[0]
        began, ended = order["alerted_at"], order["updated_at"]
        took = datetime.fromisoformat(ended) - datetime.fromisoformat(began)
        # Without bells each of five services waits half a second on average.
        return took.total_seconds() < 1.0

    eventually(is_quick, 30.0)


@pytest.mark.parametrize("name", COMPONENTS)
def test_killed_service_comes_back_and_no_order_is_lost_or_doubled(platform, name):
    before = platform.pids()
    in_flight = platform.send()

    killed = platform.kill(name)
    if name == "execution_service":
        # Nobody listens: the sender is refused and sends again, as TradingView does.
        platform.wait_for_replacement(name, killed)
    meanwhile = platform.send()

    platform.wait_for_replacement(name, killed)
    platform.wait_until_filled_once(in_flight)
    platform.wait_until_filled_once(meanwhile)
    after = platform.pids()
    assert {n: p for n, p in after.items() if n != name} == {
        n: p for n, p in before.items() if n != name
    }
    assert platform.show(name, "NRestarts") == {"NRestarts": "1"}


def test_restart_of_the_dashboard_leaves_the_others_alone(platform):
    others = [name for name in COMPONENTS if name != "dashboard"]
    bells = " ".join(f"/run/shoonya/{name}/doorbell" for name in others)
    before = platform.pids(), platform.machine.run("sh", "-c", f"ls -i {bells}").stdout

    platform.machine.run("systemctl", "restart", "shoonya@dashboard")

    after = platform.pids(), platform.machine.run("sh", "-c", f"ls -i {bells}").stdout
    assert [n for n in COMPONENTS if after[0][n] != before[0][n]] == ["dashboard"]
    assert after[1] == before[1]
    platform.wait_until_ready()


def test_crashes_back_off_by_1_4_and_16_s_and_the_fourth_is_given_up(platform, capsys):
    name = "risk_manager"
    # A clean stop forgets the crashes of earlier tests.
    platform.machine.run("systemctl", "restart", unit(name))
    delays = []
    for _ in range(3):
        began = time.monotonic()
        platform.wait_for_replacement(name, platform.kill(name), 40)
        delays.append(time.monotonic() - began)
    with capsys.disabled():
        shown = ", ".join(f"{delay:.1f}" for delay in delays)
        sys.stderr.write(f"\nkill to ready {shown} s (1, 4 and 16 promised)\n")
    platform.kill(name)

    eventually(lambda: platform.states()[name] == "failed")
    others = {n: s for n, s in platform.states().items() if n != name}
    assert set(others.values()) == {"active"}
    assert platform.show(name, "ExecMainStatus") == {"ExecMainStatus": "79"}
    for delay, promised in zip(delays, (1, 4, 16), strict=True):
        assert promised <= delay

    # An operator's start begins anew, at once.
    platform.machine.run("systemctl", "start", unit(name))
    assert platform.states()[name] == "active"


def test_an_operator_who_restarts_five_times_in_a_row_is_not_locked_out(platform):
    for _ in range(5):
        platform.machine.run("systemctl", "restart", unit("dashboard"))

    platform.wait_until_ready()


def test_waiting_for_a_restart_is_said_in_the_status(platform):
    name = "risk_manager"
    platform.machine.run("systemctl", "restart", unit(name))
    platform.wait_for_replacement(name, platform.kill(name), 40)
    platform.kill(name)

    eventually(lambda: "(2 of 3)" in status_text(platform, name))
    platform.wait_until_ready()


def test_service_that_hangs_is_replaced_by_its_watchdog(platform):
    folder = f"/run/systemd/system/{unit('risk_manager')}.d"
    platform.machine.run("mkdir", "-p", folder)
    platform.machine.run(
        "tee", f"{folder}/soon.conf", stdin="[Service]\nWatchdogSec=2s\n"
    )
    try:
        platform.machine.run("systemctl", "daemon-reload")
        platform.machine.run("systemctl", "restart", "shoonya@risk_manager")
        hung = platform.pids()["risk_manager"]
        platform.machine.run("kill", "-STOP", str(hung))

        platform.wait_for_replacement("risk_manager", hung)
        assert platform.show("risk_manager", "NRestarts") == {"NRestarts": "1"}
    finally:
        platform.machine.run("rm", "-r", folder)
        platform.machine.run("systemctl", "daemon-reload")
        platform.machine.run("systemctl", "restart", "shoonya@risk_manager")


def test_stop_ends_every_service_in_order(platform):
    platform.machine.run("systemctl", "stop", "shoonya.target")

    eventually(lambda: set(platform.states().values()) == {"inactive"})
    results = {name: platform.show(name, "Result")["Result"] for name in COMPONENTS}
    assert set(results.values()) == {"success"}


def test_journal_of_a_unit_holds_its_own_lines_and_only_those(platform):
    platform.wait_until_filled_once(platform.send())

    entries = platform.journal("--unit=shoonya@order_watcher")

    of_others = [
        entry
        for entry in entries
        if unit("order_watcher") not in (entry.get("_SYSTEMD_UNIT"), entry.get("UNIT"))
    ]
    assert of_others == []
    components = {e["SHOONYA_COMPONENT"] for e in entries if "SHOONYA_COMPONENT" in e}
    assert components == {"order_watcher"}
    assert "order_filled" in {entry.get("SHOONYA_EVENT") for entry in entries}


def test_file_and_journal_hold_the_same_records_and_nobody_elses(platform):
    # Another test may have taken the journal of the runs so far away.
    platform.machine.run("systemctl", "restart", *(unit(each) for each in COMPONENTS))
    platform.wait_until_ready()
    platform.wait_until_filled_once(platform.send())

    for name in COMPONENTS:
        eventually(
            partial(has_same_records, platform, name),
            message=f"the same records of {name} in file and journal",
        )


def has_same_records(platform: Platform, name: str) -> bool:
    in_file = records_in_file(platform, name)
    in_journal = records_in_journal(platform, name)
    # Of a run that was killed the journal may lack what was on its way to it.
    now = platform.log(name)[-1].rpartition(" run=")[2].split()[0]
    assert {each for each in in_journal if each[0] == now}
    return in_journal <= in_file and all(run != now for run, _ in in_file - in_journal)


def records_in_file(platform: Platform, name: str) -> set[tuple[str, str]]:
    """Return run and number of each record; see that all carry the right name."""
    lines = platform.log(name)
    names = {line.split("|")[2].strip() for line in lines if line[:2] == "20"}
    assert names == {name.upper()}
    found = (re.search(r" run=(\w+) seq=(\d+)", line) for line in lines)
    return {(match[1], match[2]) for match in found if match}


def records_in_journal(platform: Platform, name: str) -> set[tuple[str, str]]:
    entries = [
        entry
        for entry in platform.journal(f"SHOONYA_COMPONENT={name}")
        # Other tests log under the name from units of their own.
        if entry["_SYSTEMD_UNIT"].startswith("shoonya@")
    ]
    assert {entry["_SYSTEMD_UNIT"] for entry in entries} == {unit(name)}
    return {(e["SHOONYA_RUN"], e["SHOONYA_SEQ"]) for e in entries}


def test_order_can_be_followed_through_the_files_by_its_number(platform):
    alert_id = platform.send()
    platform.wait_until_filled_once(alert_id)
    number = platform.orders(alert_id)[0]["order_id"]

    found = platform.machine.run(
        "sh", "-c", f"grep -l 'order_id={number} ' /opt/shoonya/logs/*.log"
    ).stdout.split()

    assert {path.rsplit("/", 1)[-1] for path in found} >= {
        "trading_bot.log",
        "risk_manager.log",
        "execution_guard.log",
        "command_service.log",
        "order_watcher.log",
    }


def test_all_eight_come_up_after_a_reboot_and_go_on_trading(platform):
    before = platform.send()
    platform.wait_until_filled_once(before)

    platform.machine.reboot()

    platform.wait_until_ready()
    platform.wait_until_filled_once(before)
    platform.wait_until_filled_once(platform.send())


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        pytest.param("[risk]\nmax_daily_los = 5\n", "max_daily_los", id="unknown-key"),
        pytest.param('[webhook]\nport = "many"\n', "webhook.port", id="wrong-type"),
        pytest.param("[risk\n", CONFIG, id="no-toml"),
    ],
)
def test_unusable_configuration_ends_with_78_and_is_not_restarted(
    platform, broken, named
):
    before = platform.pids()
    good = platform.machine.run("cat", CONFIG).stdout
    try:
        platform.machine.run("tee", CONFIG, stdin=broken)
        done = platform.machine.run(
            "systemctl", "restart", "shoonya@risk_manager", check=False
        )

        assert done.returncode != 0
        shown = platform.show(
            "risk_manager", "ExecMainStatus", "NRestarts", "ActiveState"
        )
        assert shown == {
            "ExecMainStatus": "78",
            "NRestarts": "0",
            "ActiveState": "failed",
        }
        invocation = platform.show("risk_manager", "InvocationID")["InvocationID"]

        def is_said() -> bool:
            entries = platform.journal(f"_SYSTEMD_INVOCATION_ID={invocation}")
            said = "\n".join(str(entry["MESSAGE"]) for entry in entries)
            assert named in said
            assert "Traceback" not in said
            return True

        eventually(is_said)
    finally:
        platform.machine.run("tee", CONFIG, stdin=good)
    others = {n: p for n, p in platform.pids().items() if n != "risk_manager"}
    assert others == {n: p for n, p in before.items() if n != "risk_manager"}


def test_limits_are_those_that_were_promised(platform):
    shown = platform.show(
        "trading_bot",
        "CPUQuotaPerSecUSec",
        "MemoryMax",
        "Restart",
        "StartLimitBurst",
        "StartLimitIntervalUSec",
        "TimeoutStopUSec",
        "WatchdogUSec",
        "User",
    )

    # Their effect needs cgroup controllers, which a container may lack.
    assert shown == {
        "CPUQuotaPerSecUSec": "800ms",
        "MemoryMax": str(2 * 1024**3),
        "Restart": "on-failure",
        "StartLimitBurst": "20",
        "StartLimitIntervalUSec": "5min",
        "TimeoutStopUSec": "30s",
        "WatchdogUSec": "30s",
        "User": "shoonya",
    }


def test_webhook_secret_reaches_its_service_and_no_other(platform):
    secret = platform.machine.run(
        "cat", "/etc/shoonya/credentials/webhook_secret"
    ).stdout.strip()
    pids = " ".join(str(pid) for pid in platform.pids().values())

    environments = platform.machine.run(
        "sh", "-c", f"for p in {pids}; do cat /proc/$p/environ; done"
    ).stdout
    copies = platform.machine.run("find", "/run/credentials", "-type", "f").stdout

    assert secret not in environments
    folder = "/run/credentials/shoonya@"
    assert sorted(copies.split()) == [
        f"{folder}dashboard.service/dashboard_password_hash",
        f"{folder}execution_service.service/webhook_secret",
    ]


def test_second_install_keeps_settings_and_secrets_and_disturbs_no_service(platform):
    kept = f"sha256sum {CONFIG} /etc/shoonya/credentials/*"
    before = platform.machine.run("sh", "-c", kept).stdout
    pids = platform.pids()
    alert_id = platform.send()
    platform.wait_until_filled_once(alert_id)

    said = platform.install()

    assert "nothing to do" in said
    assert platform.machine.run("sh", "-c", kept).stdout == before
    assert platform.pids() == pids
    platform.wait_until_filled_once(alert_id)


def test_install_units_again_changes_nothing_and_leaves_an_override_alone(platform):
    own = f"/etc/systemd/system/{unit('dashboard')}.d/override.conf"
    platform.machine.run("tee", own, stdin="[Service]\nMemoryMax=1G\n")
    try:
        document = platform.ctl("install-units")

        assert {f["change"] for f in document["files"]} == {"unchanged"}
        assert document["verified"] is True
        assert platform.show("dashboard", "MemoryMax") == {"MemoryMax": str(1024**3)}
        dry = platform.machine.run("shoonyactl", "install-units", "--dry-run")
        assert dry.stdout == ""
    finally:
        platform.machine.run("rm", own)
        platform.machine.run("systemctl", "daemon-reload")


def test_uninstall_takes_the_units_and_leaves_the_orders(platform):
    alert_id = platform.send()
    platform.wait_until_filled_once(alert_id)
    try:
        platform.machine.run("shoonyactl", "uninstall-units", "--yes")

        left = platform.machine.run(
            "systemctl", "list-unit-files", "shoonya*", check=False
        ).stdout
        assert "0 unit files listed" in left
        assert platform.machine.run("pgrep", "-u", "shoonya", check=False).stdout == ""
    finally:
        platform.install()
    platform.wait_until_filled_once(alert_id)
