"""What befalls a file: damage, other programs, locks, a full disk."""

import contextlib
import errno
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from shoonya_platform.domain.orders import Order, OrderStatus, OrderTrigger
from shoonya_platform.errors import (
    AlertRefused,
    StoreBusy,
    StoreDamaged,
    StoreError,
)
from shoonya_platform.store import sqlite_alerts
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import (
    a_leg,
    an_alert,
    an_alert_id,
    store_alert,
    store_order,
)

BUSY_SECONDS = 0.2
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk: needs root")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "orders.db"


@pytest.fixture
def open_store(path, clock) -> Iterator[Callable[..., SqliteOrderStore]]:
    opened = []

    def open_it(path: Path = path) -> SqliteOrderStore:
        store = SqliteOrderStore(
            path,
            service="tests",
            run_id="run-1",
            clock=clock,
            busy_timeout_seconds=BUSY_SECONDS,
        )
        opened.append(store)
        return store

    yield open_it
    for store in opened:
        store.close()


def test_alert_is_read_as_it_was_taken_though_bodies_are_read_more_strictly_now(
    open_store, monkeypatch
):
    store = open_store()
    alert = an_alert(
        a_leg(order_type="SL", price="101.50", trigger_price=101),
        timenow="2026-11-25T09:20:00+05:30",
    )
    alert_id = store_alert(store, alert)

    def refuse(fields):
        raise AlertRefused("FIELD_INVALID", "not any more")

    monkeypatch.setattr(sqlite_alerts, "parse_stored", refuse)
    sqlite_alerts._read.cache_clear()

    found = open_store().alerts.get(alert_id)
    assert found is not None
    assert found.alert == alert


def test_alert_of_an_earlier_version_is_read_from_its_body(open_store, path):
    alert = an_alert()
    alert_id = store_alert(open_store(), alert)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alerts SET content = NULL")
    sqlite_alerts._read.cache_clear()

    found = open_store().alerts.get(alert_id)
    assert found is not None
    assert found.alert == alert


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a disk in memory; it is gone afterwards."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount_it(options: str) -> Path:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount_it
    for each in mounted:
        subprocess.run(["umount", "--lazy", str(each)], check=True)


def change(path: Path, *sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in sql:
            connection.execute(statement)


def is_held(path: Path) -> bool:
    """Return whether this process still has the file open."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return path in [link.readlink() for link in links]


def fill_up(file: Path) -> None:
    with file.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while ballast.write(b"x" * 65_536):
            pass


def store_without_end(store: SqliteOrderStore, stored: list[Order]) -> None:
    while len(stored) < 10_000:
        stored.append(store_order(store, OrderStatus.ACCEPTED))


# -- what is not ours, or not whole --------------------------------------------


def test_file_that_is_no_database_is_damaged(path, open_store):
    path.write_bytes(b"no database at all" * 1000)

    with pytest.raises(StoreDamaged) as caught:
        open_store()

    assert str(path) in caught.value.message
    assert "backup" in (caught.value.hint or "")
    assert not is_held(path)


def test_store_that_was_written_over_is_damaged(path, open_store):
    store = open_store()
    for _ in range(30):
        store_order(store)
    store.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))

    with pytest.raises(StoreDamaged):
        open_store().orders.recent(limit=100)


def test_store_that_was_cut_off_is_damaged(path, open_store):
    store = open_store()
    for _ in range(30):
        store_order(store)
    store.close()
    os.truncate(path, 3 * 4096)

    with pytest.raises(StoreDamaged):
        open_store().orders.recent(limit=100)


def test_store_without_one_of_its_tables_is_damaged(path, open_store):
    open_store().close()
    change(path, "DROP TABLE fills")

    with pytest.raises(StoreDamaged):
        store_order(open_store(), OrderStatus.FILLED)


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("UPDATE orders SET status = 'shiny'", id="status"),
        pytest.param("UPDATE orders SET price = 'dear'", id="price"),
        pytest.param("UPDATE orders SET updated_at = 'soon'", id="time"),
    ],
)
def test_row_that_cannot_be_read_is_damage_and_not_a_crash(path, open_store, sql):
    store = open_store()
    store_order(store)
    change(path, sql)

    with pytest.raises(StoreDamaged):
        store.orders.recent(limit=1)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE alerts SET content = '{}'",
        "UPDATE alerts SET content = 'x'",
        "UPDATE alerts SET content = NULL, body = '{}'",
    ],
)
def test_alert_that_cannot_be_read_is_damage_and_not_a_crash(path, open_store, damage):
    store = open_store()
    store_order(store)
    change(path, damage)

    with pytest.raises(StoreDamaged):
        store.alerts.recent(limit=1)


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("CREATE TABLE theirs (a)", id="has-tables"),
        pytest.param("PRAGMA application_id = 1", id="has-a-mark"),
        pytest.param("PRAGMA user_version = 1", id="has-a-version"),
    ],
)
def test_another_programs_database_is_left_as_it_is(path, open_store, sql):
    change(path, sql)
    before = path.read_bytes()

    with pytest.raises(StoreDamaged, match="another program") as caught:
        open_store()

    assert path.read_bytes() == before
    assert "paths.state_dir" in (caught.value.hint or "")
    assert not is_held(path)


def test_store_of_a_newer_version_is_not_touched(path, open_store):
    open_store().close()
    change(path, "PRAGMA user_version = 999")

    with pytest.raises(StoreDamaged, match="newer version") as caught:
        open_store()

    assert "upgrade" in (caught.value.hint or "")


# -- what may be better later --------------------------------------------------


def test_locked_store_is_busy_after_its_time_out_and_then_answers_again(
    path, open_store
):
    store = open_store()
    order = store_order(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()

        with pytest.raises(StoreBusy) as caught, store.transaction(durable=True):
            pass

        waited = time.monotonic() - began
        assert BUSY_SECONDS - 0.05 < waited < BUSY_SECONDS + 2
        assert "fuser" in (caught.value.hint or "")
        assert store.orders.get(order.order_id) == order
    with store.transaction(durable=True):
        store.orders.record(order, OrderTrigger.RISK_PASSED)


def test_store_that_cannot_be_made_for_a_lock_is_busy(path, open_store):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(StoreBusy):
            open_store()

    assert not is_held(path)
    open_store()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda folder: folder.rmdir(), id="missing"),
        pytest.param(
            lambda folder: (folder.rmdir(), folder.touch()), id="a-file-in-its-place"
        ),
    ],
)
def test_directory_that_cannot_be_used_is_told(tmp_path, open_store, spoil):
    folder = tmp_path / "state"
    folder.mkdir()
    spoil(folder)

    with pytest.raises(StoreBusy, match="cannot be opened") as caught:
        open_store(folder / "orders.db")

    assert "directory" in (caught.value.hint or "")


@is_root
def test_store_on_a_read_only_disk_is_told_and_serves_again_later(mount, open_store):
    folder = mount("size=4m")
    store = open_store(folder / "orders.db")
    order = store_order(store)
    store.close()
    remount = partial(subprocess.run, check=True)
    remount(["mount", "-o", "remount,ro", str(folder)])

    with pytest.raises(StoreBusy) as caught:
        open_store(folder / "orders.db")

    assert "owner and mode" in (caught.value.hint or "")
    remount(["mount", "-o", "remount,rw", str(folder)])
    assert open_store(folder / "orders.db").orders.get(order.order_id) == order


@is_root
def test_full_disk_is_busy_loses_nothing_and_is_over_once_there_is_space(
    mount, open_store
):
    folder = mount("size=4m")
    store = open_store(folder / "orders.db")
    stored = [store_order(store, OrderStatus.ACCEPTED)]
    ballast = folder / "ballast"
    fill_up(ballast)

    with pytest.raises(StoreBusy, match="no space left"):
        store_without_end(store, stored)

    # An alert may have been stored without its order: that is a step of its own.
    assert store.orders.recent(limit=10_000) == stored[::-1]
    for order in stored:
        assert store.orders.events(order_id=order.order_id)[-1].trigger == "accepted"
    ballast.unlink()
    stored.append(store_order(store, OrderStatus.ACCEPTED))
    assert store.orders.recent(limit=10_000)[0] == stored[-1]


def test_durable_transaction_waits_for_the_disk_and_another_does_not(
    open_store, clock, monkeypatch
):
    # Without cutting the power only the call can tell; what it comes after is real.
    store, other = open_store(), open_store()
    synced: list[tuple[Path, int]] = []

    def sync(descriptor):
        fdatasync(descriptor)
        with other.transaction(durable=False):
            found = len(other.alerts.recent(limit=10))
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink(), found))

    fdatasync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", sync)
    log = store.path.with_name("orders.db-wal")

    for durable, expected in (
        (True, [(log, 1)]),
        (False, [(log, 1)]),
        (True, [(log, 1), (log, 3)]),
    ):
        with store.transaction(durable=durable):
            store.alerts.add(an_alert(), an_alert_id(), received_at=clock.now())
        # Others have had their turn to write while the disk worked.
        assert synced == expected


def test_disk_that_does_not_keep_a_commit_is_an_error_that_no_second_try_mends(
    open_store, monkeypatch
):
    store, other = open_store(), open_store()

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)

    with pytest.raises(StoreError) as caught, store.transaction(durable=True):
        pass

    assert not isinstance(caught.value, StoreBusy)
    assert "journalctl -k" in (caught.value.hint or "")
    with other.transaction(durable=False):
        pass


def test_closed_store_is_no_damage(store):
    store.close()

    with pytest.raises(StoreError) as caught:
        store.orders.recent(limit=1)

    assert not isinstance(caught.value, StoreDamaged)
