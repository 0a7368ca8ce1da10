"""A bundle of the installed platform, with a real journal and real units."""

import json

import pytest

from shoonya_platform.config.settings import COMPONENTS
from tests.booted.platform import Platform

SECRET = "/etc/shoonya/credentials/webhook_secret"
FOLDER = "/root/bundle-test"


@pytest.mark.usefixtures("running")
def test_bundle_holds_log_journal_and_units_and_no_secret(platform: Platform):
    run = platform.machine.run
    # As somebody under pressure does: into the journal, folded and in base64.
    run(
        "sh",
        "-c",
        "systemd-run --wait --quiet --unit=shoonya-told.service "
        f"sh -c 'base64 {SECRET}; fold -w 9 {SECRET}';"
        f"journalctl --sync; rm -rf {FOLDER}; mkdir {FOLDER}",
    )

    made = platform.ctl("bundle", "--since", "1h", "--output", FOLDER)
    run("tar", "xzf", made["path"], "-C", FOLDER, "--strip-components=1")

    def read(name: str) -> str:
        return run("cat", f"{FOLDER}/{name}").stdout

    assert run("stat", "-c", "%a %U", made["path"]).stdout == "600 root\n"
    assert set(made["unreadable"]) == set()
    assert made["secrets_not_searched"] == {}
    for name in COMPONENTS:
        assert f"| {name.upper()} " in read(f"logs/{name}.log")
        assert "Started" in read(f"journal/{name}.log")
    assert "shoonya.target" in read("journal/other-units.log")
    assert "***" in read("journal/other-units.log")
    assert "ExecStart=" in read("units/etc/systemd/system/shoonya@.service")
    assert json.loads(read("versions.json"))["systemd"].startswith("systemd 25")
    secret = run("cat", SECRET).stdout.strip()
    for piece in (secret, secret[9:18]):
        found = run("grep", "-rlF", piece, FOLDER, "--exclude=*.gz", check=False)
        assert found.stdout == ""
