"""`shoonyactl backup` and `restore`, over real databases."""

import json
import sqlite3
import tarfile
from pathlib import Path

import pytest

from shoonya_platform.ctl import restore as restoring
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import store_order


@pytest.fixture
def kept(ctl, home, store, monkeypatch) -> Path:
    """A backup of one order, which the services then went on from."""
    # What the machine below the tests runs is none of theirs.
    monkeypatch.setattr(restoring, "read_services", lambda _: [])
    store_order(store)
    (home / "state" / "paper.db").touch()
    done = ctl("backup", str(home / "kept"), "--json")
    assert done.code == 0, done.err
    store_order(store)
    store.close()
    return Path(done.document["path"])


def orders(home: Path) -> int:
    with sqlite3.connect(home / "state" / "orders.db") as store:
        (count,) = store.execute("SELECT count(*) FROM orders").fetchone()
    store.close()
    return int(count)


def changed(kept: Path, name: str, content: bytes) -> Path:
    """Return another archive, in which one file is another one."""
    unpacked = kept.parent / "unpacked"
    other = kept.with_name("changed.tar.gz")
    unpacked.mkdir()
    with tarfile.open(kept) as archive:
        # Not extractall(filter=): Debian 12's Python 3.11.2 does not have it.
        for member in archive.getmembers():
            packed = archive.extractfile(member)
            assert packed is not None
            (unpacked / member.name).write_bytes(packed.read())
    (unpacked / name).write_bytes(content)
    with tarfile.open(other, "w:gz") as archive:
        for path in sorted(unpacked.iterdir()):
            archive.add(path, path.name)
    return other


def test_backup_while_the_store_is_open_holds_what_was_committed(ctl, home, kept):
    with tarfile.open(kept) as archive:
        names = set(archive.getnames())

    assert names == {"manifest.json", "orders.db", "paper.db", "shoonya.toml"}
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_backup_holds_no_secret(ctl, home, store):
    secret = home / "credentials" / "webhook_secret"
    secret.write_text("hunter2-hunter2")

    path = Path(ctl("backup", str(home / "kept"), "--json").document["path"])

    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            assert content is not None
            assert b"hunter2" not in content.read()


def test_book_of_another_account_is_kept_and_put_back_in_its_own_place(
    ctl, home, kept, clock
):
    other = home / "state" / "orders-shoonya-FA12345.db"
    book = SqliteOrderStore(
        other, service="tests", run_id="r", clock=clock, account="shoonya-FA12345"
    )
    store_order(book)
    done = ctl("backup", str(home / "kept"), "--json")
    store_order(book)
    book.close()

    put_back = ctl("restore", done.document["path"], "--yes", "--json")

    assert put_back.code == 0, put_back.err
    assert {Path(place).name for place in put_back.document["restored"]} == {
        "orders.db",
        other.name,
        "paper.db",
        "shoonya.toml",
    }
    with sqlite3.connect(other) as store:
        assert store.execute("SELECT count(*) FROM orders").fetchone() == (1,)
        assert store.execute("SELECT state FROM trading").fetchone() == ("HALTED",)
    store.close()


def test_keep_removes_the_oldest_only(ctl, home, store):
    folder = home / "kept"
    folder.mkdir()
    for day in (1, 2, 3):
        (folder / f"shoonya-2026010{day}-000000.tar.gz").touch()
    (folder / "of-the-operator.txt").touch()

    done = ctl("backup", str(folder), "--keep", "2", "--json").document

    assert [Path(p).name for p in done["removed"]] == [
        "shoonya-20260101-000000.tar.gz",
        "shoonya-20260102-000000.tar.gz",
    ]
    assert {p.name for p in folder.iterdir()} == {
        "shoonya-20260103-000000.tar.gz",
        "of-the-operator.txt",
        Path(done["path"]).name,
    }


def test_backup_of_nothing_is_refused(ctl, home):
    done = ctl("backup", str(home / "kept"))

    assert done.code == 3
    assert not (home / "kept").exists()


def test_restore_brings_the_orders_back_and_halts_trading(ctl, home, kept, clock):
    (home / "shoonya.toml").write_text(
        (home / "shoonya.toml").read_text() + "\n[webhook]\nport = 5055\n"
    )

    done = ctl("restore", str(kept), "--yes", "--json")

    assert done.code == 0, done.err
    assert orders(home) == 1
    assert "5055" not in (home / "shoonya.toml").read_text()
    store = SqliteOrderStore(
        home / "state" / "orders.db", service="tests", run_id="r", clock=clock
    )
    assert store.trading.status().state is TradingState.HALTED
    store.close()


def test_what_was_there_before_is_kept(ctl, home, kept):
    document = ctl("restore", str(kept), "--yes", "--json").document

    (before,) = (p for p in document["kept"] if "orders.db" in p)
    with sqlite3.connect(before) as store:
        assert store.execute("SELECT count(*) FROM orders").fetchone() == (2,)
    store.close()


def test_no_config_leaves_the_configuration(ctl, home, kept):
    text = (home / "shoonya.toml").read_text() + "# mine\n"
    (home / "shoonya.toml").write_text(text)

    ctl("restore", str(kept), "--yes", "--no-config")

    assert (home / "shoonya.toml").read_text() == text


def test_restore_keeps_the_mode_and_brings_no_journal_of_another_store(ctl, home, kept):
    path = home / "state" / "orders.db"
    path.chmod(0o600)
    path.with_name("orders.db-wal").write_bytes(b"of the store before")

    assert ctl("restore", str(kept), "--yes").code == 0

    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.with_name("orders.db-wal").exists()


def test_restore_under_running_services_is_refused(ctl, home, kept, monkeypatch):
    class View:
        service = "dashboard"
        state = ServiceStatus.RUNNING

    monkeypatch.setattr(restoring, "read_services", lambda _: [View()])

    done = ctl("restore", str(kept), "--yes")

    assert done.code == 1
    assert "dashboard" in done.err
    assert orders(home) == 2


def test_restore_without_a_terminal_and_without_yes_changes_nothing(ctl, home, kept):
    assert ctl("restore", str(kept)).code == 2
    assert orders(home) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("orders.db", b"garbage", id="not-what-was-kept"),
        pytest.param("manifest.json", b"{", id="no-manifest"),
        pytest.param("manifest.json", b"[]", id="another-manifest"),
    ],
)
def test_damaged_backup_is_refused_and_changes_nothing(ctl, home, kept, name, content):
    done = ctl("restore", str(changed(kept, name, content)), "--yes")

    assert done.code == 1
    assert done.err.startswith("shoonyactl: ")
    assert orders(home) == 2
    assert not list((home / "state").glob(".restore-*"))


def test_cut_off_backup_is_refused(ctl, home, kept):
    kept.write_bytes(kept.read_bytes()[:-200])

    assert ctl("restore", str(kept), "--yes").code == 1
    assert orders(home) == 2


def test_file_that_is_no_archive_is_refused_in_two_lines(ctl, home, tmp_path):
    bad = tmp_path / "bad.tar.gz"
    bad.write_bytes(b"garbage")

    done = ctl("restore", str(bad), "--yes")

    assert done.code == 1
    first, hint = done.err.splitlines()
    assert first == (
        f"shoonyactl: '{bad}' is not a backup: it is not a complete tar archive"
    )
    assert hint.startswith("hint: see those there are: ls ")


def test_backup_of_a_later_format_is_refused(ctl, home, kept):
    with tarfile.open(kept) as archive:
        said = archive.extractfile("manifest.json")
        assert said is not None
        manifest = json.loads(said.read())
    later = json.dumps({**manifest, "format": 99}).encode()

    done = ctl("restore", str(changed(kept, "manifest.json", later)), "--yes")

    assert done.code == 1
    assert "hint: restore it with that version" in done.err


def test_name_that_leads_out_of_the_folder_is_not_unpacked(ctl, home, kept):
    with tarfile.open(kept) as archive:
        said = archive.extractfile("manifest.json")
        assert said is not None
        manifest = json.loads(said.read())
    manifest["sha256"]["../escaped"] = "0" * 64
    other = changed(kept, "manifest.json", json.dumps(manifest).encode())

    assert ctl("restore", str(other), "--yes").code == 0
    assert not (home / "escaped").exists()


def test_missing_backup_is_an_error_that_says_where_they_lie(ctl, home, kept):
    done = ctl("restore", str(home / "nowhere.tar.gz"), "--yes")

    assert done.code == 1
    assert "there is no backup" in done.err
