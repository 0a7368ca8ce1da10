"""`shoonyactl bundle` over real log files and a store: what is in it, and what not."""

import hashlib
import json
import os
import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl import doctor
from shoonya_platform.ctl.bundling import making, shelf
from shoonya_platform.testing.orders import store_order
from tests.unit.ctl.bundling.conftest import COMPONENT, EVER, unpacked
from tests.unit.ctl.bundling.planting import SIMPLE
from tests.unit.logging.reading.writing import text_line


def test_bundle_has_each_part(bundle, place, store):
    store_order(store)
    place.log(text_line(1, "all is well"))
    place.journal("started")
    place.drop_in("[Service]\nMemoryMax=1G\n")

    files, _ = bundle()

    assert "all is well" in files[f"logs/{COMPONENT}.log"]
    assert "host python[7]: started" in files[f"journal/{COMPONENT}.log"]
    assert {f"why/{name}.txt" for name in COMPONENTS} <= set(files)
    assert {s["service"] for s in json.loads(files["status.json"])["services"]} == set(
        COMPONENTS
    )
    assert json.loads(files["doctor.json"]) == {"findings": []}
    assert json.loads(files["config.json"])["settings"]["webhook.port"]["value"] == 5000
    versions = json.loads(files["versions.json"])
    assert {"shoonya_platform", "python", "systemd", "kernel", "os"} <= set(versions)
    facts = json.loads(files["databases.json"])
    assert facts["orders.db"]["rows"]["orders"] == 1
    assert facts["orders.db"]["schema_version"] > 0
    assert facts["paper.db"] == "there is none"
    assert any("MemoryMax=1G" in text for text in files.values())


def test_manifest_has_the_sum_of_each_file(bundle, place):
    place.log(*(text_line(number) for number in range(1, 500)))

    files, document = bundle()
    manifest = json.loads(files.pop("manifest.json"))

    assert {
        entry["name"]: (entry["bytes"], entry["sha256"]) for entry in manifest["files"]
    } == {
        name: (len(text.encode()), hashlib.sha256(text.encode()).hexdigest())
        for name, text in files.items()
    }
    assert manifest["masked"] == document["masked"]
    assert manifest["searched_for"] == ["broker_password", "webhook_secret"]


def test_services_and_time_that_are_asked_for_alone_are_in_it(ctl, place):
    place.log(text_line(1, "early"), text_line(7200, "late"))
    place.log(text_line(7200, "other"), component="dashboard")

    done = ctl("bundle", COMPONENT, "--since", "2026-11-25 10:00", "--json")
    files = unpacked(Path(done.document["path"]))

    assert "late" in files[f"logs/{COMPONENT}.log"]
    assert "early" not in files[f"logs/{COMPONENT}.log"]
    assert "logs/dashboard.log" not in files
    assert "why/dashboard.txt" not in files


def test_missing_records_are_marked(bundle, place):
    place.log(text_line(1), text_line(2), text_line(5))

    files, _ = bundle()

    assert "-- 2 records missing here" in files[f"logs/{COMPONENT}.log"]


# -- limits --------------------------------------------------------------------


def test_oldest_lines_go_first_and_the_manifest_says_so(bundle, place, monkeypatch):
    monkeypatch.setattr(shelf, "SEGMENT_BYTES", 8192)
    noise = [hashlib.sha512(str(n).encode()).hexdigest() for n in range(3000)]
    place.log(*(text_line(n, noise[n]) for n in range(1, 3000)))
    place.log(text_line(1, "of old"), text_line(2999, "new"), component="dashboard")

    files, document = bundle("--max-size", "100k")
    kept = files[f"logs/{COMPONENT}.log"].splitlines()
    gone = json.loads(files["manifest.json"])["left_out"][f"logs/{COMPONENT}.log"]

    assert Path(document["path"]).stat().st_size <= 100 * 1024
    assert document["bytes"] == Path(document["path"]).stat().st_size
    assert kept[-1].endswith("seq=2999")
    assert gone["lines"] + len(kept) == 2999
    assert kept[0] > gone["until"]
    assert len(kept) > 300
    assert "new" in files["logs/dashboard.log"]


def test_archive_that_came_out_too_large_is_written_again(bundle, place, monkeypatch):
    monkeypatch.setattr(making, "_RESERVE", -40_000)
    monkeypatch.setattr(shelf, "SEGMENT_BYTES", 8192)
    noise = [hashlib.sha512(str(n).encode()).hexdigest() for n in range(3000)]
    place.log(*(text_line(n, noise[n]) for n in range(1, 3000)))

    files, document = bundle("--max-size", "100k")

    assert document["bytes"] <= 100 * 1024
    assert "seq=2999" in files[f"logs/{COMPONENT}.log"]


def test_no_room_for_the_rest_is_an_error_that_says_how_much(ctl, place):
    done = ctl("bundle", "--max-size", "2k")

    assert done.code == 1
    assert "--max-size 1M" in done.err
    assert not list(place.home.glob("*.tar.gz"))


@pytest.mark.parametrize("size", ["much", "-1", ""])
def test_size_that_is_none_is_wrong_usage(ctl, place, size):
    assert ctl("bundle", "--max-size", size).code == 2


# -- a broken machine ----------------------------------------------------------


def test_what_cannot_be_had_is_left_out_and_told(bundle, place, monkeypatch):
    def broken(_):
        raise RuntimeError(f"no luck with {SIMPLE}")

    monkeypatch.setattr(doctor, "examine", broken)
    (place.home / "state" / "orders.db").write_bytes(b"garbage" * 1000)
    monkeypatch.setenv("PATH", "")
    (place.home / "logs").rename(place.home / "elsewhere")

    files, document = bundle()
    unreadable = json.loads(files["manifest.json"])["unreadable"]

    assert unreadable == document["unreadable"]
    assert unreadable["doctor.json"] == "RuntimeError: no luck with ***"
    assert "StoreDamaged" in unreadable["databases.json"]
    assert "journalctl" in unreadable["journal"]
    assert "no log directory" in unreadable["logs"]
    assert "doctor.json" not in files
    assert "config.json" in files


def test_unusable_configuration_is_in_it_as_it_stands(bundle, place):
    place.configure("[webhook]\nport = 'five thousand'\n")

    files, document = bundle()

    assert "webhook.port" in document["unreadable"]["config.json"]
    assert "five thousand" in files["shoonya.toml"]


def test_damaged_archive_of_the_log_is_told(bundle, place):
    place.log(text_line(2))
    (place.home / "logs" / f"{COMPONENT}.log.2.zst").write_bytes(b"no archive")

    files, document = bundle()

    assert f"logs/{COMPONENT}.log" in document["unreadable"]
    assert "seq=2" in files[f"logs/{COMPONENT}.log"]


def test_who_may_not_read_a_secret_is_told_that_it_was_not_searched(
    ctl, place, monkeypatch
):
    place.log(text_line(1))
    real = Path.read_text

    def refused(self, *arguments, **options):
        if self.name == "broker_password":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refused)

    done = ctl("bundle", *EVER)

    assert done.code == 0, done.err
    assert "not searched for: broker_password" in done.out
    assert "with sudo" in done.out


@pytest.mark.parametrize("closed", ["shoonya.toml", "logs", "state", "credentials"])
def test_who_may_not_read_something_gets_the_rest(bound_ctl, place, closed):
    place.log(text_line(1))
    (place.home / closed).chmod(0)
    path = place.home / "report.tar.gz"

    done = bound_ctl("bundle", *EVER, "--json", "--output", str(path))

    assert done.code == 0, done.err
    told = done.document
    assert "versions.json" in unpacked(path)
    assert any(
        "denied" in reason.lower() or "not permitted" in reason.lower()
        for reason in (
            *told["unreadable"].values(),
            *told["secrets_not_searched"].values(),
        )
    )


# -- the file ------------------------------------------------------------------


def test_archive_is_private_and_nothing_else_is_left(ctl, place):
    before = set(place.home.iterdir())

    done = ctl("bundle", *EVER)
    (path,) = set(place.home.iterdir()) - before

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_nlink == 1
    last = done.out.splitlines()[-1]
    assert last.startswith(str(path))
    assert "manifest.json" in last


def test_output_may_be_a_folder_or_a_file(ctl, place):
    (place.home / "kept").mkdir()

    in_folder = ctl("bundle", "--json", "--output", "kept").document["path"]
    as_file = ctl("bundle", "--json", "--output", "mine.tar.gz").document["path"]

    assert Path(in_folder).parent == place.home / "kept"
    assert as_file == str(place.home / "mine.tar.gz")


def test_two_bundles_of_one_second_stand_side_by_side(ctl, place):
    now = datetime.now().astimezone()
    for later in range(60):
        moment = now + timedelta(seconds=later)
        (place.home / f"shoonya-bundle-{moment:%Y%m%d-%H%M%S}.tar.gz").touch()

    made = ctl("bundle", "--json").document["path"]

    assert made.endswith("-2.tar.gz")


def test_file_that_is_there_is_not_written_over(ctl, place):
    path = place.home / "mine.tar.gz"
    path.write_text("mine")

    done = ctl("bundle", "--output", str(path))

    assert done.code == 1
    assert path.read_text() == "mine"


def test_folder_that_is_not_there_is_an_error(ctl, place):
    done = ctl("bundle", "--output", "nowhere/mine.tar.gz")

    assert done.code == 1
    assert "hint: name another place" in done.err


def test_behind_sudo_it_belongs_to_who_asked(ctl, place, monkeypatch):
    owners = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, *owner: owners.append(owner))
    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "4321")

    assert ctl("bundle").code == 0
    assert owners == [(1234, 4321)]
