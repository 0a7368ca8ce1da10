"""The sandbox bites: what a service must not do fails from inside it."""

import json
import sys

import pytest

from shoonya_platform.config.settings import COMPONENTS

PROBE = "/srv/shoonya/tests/booted/probe.py"
UNIX_ONLY = ("execution_guard", "risk_manager")
NETWORK = "open an internet socket"
CREDENTIAL = "read another service's credential"


@pytest.fixture(scope="module")
def outcomes(platform):
    """How each try ended, for each of the eight."""
    platform.begin_anew()
    platform.machine.run(
        "sh",
        "-c",
        "mkdir -p /home/operator && chmod 755 /home/operator && "
        "echo s >/home/operator/secret && echo s >/root/secret",
    )
    post = f"ExecStartPost=/opt/shoonya/venv/bin/python {PROBE}"
    with platform.drop_in("", post):
        platform.wait_until_ready()
        return {
            name: json.loads(
                platform.machine.run("cat", f"/run/shoonya/{name}/probe.json").stdout
            )
            for name in COMPONENTS
        }


def test_the_tries_themselves_succeed_without_a_sandbox(platform, outcomes):
    del outcomes  # made the files
    told = json.loads(
        platform.machine.run("/opt/shoonya/venv/bin/python", PROBE).stdout
    )

    # A container may not do these either, also without any sandbox.
    beyond = {
        "set the clock",
        "set the host's name",
        "load a kernel module",
        "read the kernel's log",
    }
    refused = {name for name, how in told.items() if how != "allowed"}
    assert refused <= beyond, told


@pytest.mark.parametrize("name", COMPONENTS)
def test_what_a_service_must_not_do_fails(outcomes, name):
    allowed = {what for what, how in outcomes[name].items() if how == "allowed"}

    if name == "execution_service":
        allowed.discard(CREDENTIAL)  # its own
    assert allowed == (set() if name in UNIX_ONLY else {NETWORK})


def test_table_of_what_was_tried_is_printed(outcomes, capsys):
    with capsys.disabled():
        sys.stderr.write("\n")
        for what in outcomes[COMPONENTS[0]]:
            hows = sorted({outcomes[name][what] for name in COMPONENTS})
            sys.stderr.write(f"{what:36} {', '.join(hows)}\n")
