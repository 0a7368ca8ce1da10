"""The directory of the log files never takes more than it may."""

import subprocess

import pytest

from shoonya_platform.logging import (
    COMPONENTS,
    BudgetError,
    disk_use,
    get_component_logger,
    parse_line,
    setup_application_logging,
)
from shoonya_platform.logging import budget as module
from shoonya_platform.logging.budget import Budget, check_budget
from shoonya_platform.logging.chain import Chain, RotationBusyError
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.scan import Scan, unlink_same
from shoonya_platform.logging.sizes import parse_size, size_text

K, M = 1 << 10, 1 << 20


@pytest.fixture
def quiet(tmp_path):
    """Set up in tmp_path, with neither journal nor console."""

    def set_up(**options):
        options = {"journal": False, "console": False, **options}
        return setup_application_logging(tmp_path, **options)

    return set_up


def put(directory, name, size):
    (directory / name).write_bytes(b"x" * size)


def names(directory):
    return sorted(p.name for p in directory.iterdir() if p.suffix != ".lock")


@pytest.mark.parametrize(
    ("text", "size"),
    [("700M", 700 * M), ("2G", 2048 * M), ("1.5 MiB", 3 * M // 2), (4096, 4096)],
)
def test_size_is_read_as_people_write_it(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1", "7 X", True, "1e9"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="such as '700M'"):
        parse_size(text)


def test_sizes_are_shown_in_the_unit_that_suits():
    assert [size_text(n) for n in (5, 2048, 3 * M, 5 << 30)] == [
        "5 bytes",
        "2.0 kB",
        "3.0 MB",
        "5.0 GB",
    ]


def test_default_holds_eight_files_of_fifty_megabytes():
    check_budget(700 * M, 50 * M, 8)


def test_budget_that_cannot_hold_the_live_files_is_refused_with_the_sum():
    with pytest.raises(BudgetError) as refused:
        check_budget(400 * M, 50 * M, 8)

    assert "8 live files of 50.0 MB" in str(refused.value)
    assert "450.0 MB" in str(refused.value)


def test_refused_budget_leaves_the_last_set_up_in_force(quiet, tmp_path):
    quiet(component="dashboard")
    with pytest.raises(BudgetError):
        quiet(component="dashboard", budget="100M")

    get_component_logger("dashboard").info("x")

    assert (tmp_path / "dashboard.log").exists()


@pytest.fixture
def budget(tmp_path):
    """64 MB for live files of one megabyte, which may need 21 MB of it."""
    return Budget(str(tmp_path), 64 * M, M, COMPONENTS)


def test_nothing_goes_while_there_is_room(tmp_path, budget):
    put(tmp_path, "dashboard.log.1", 40 * M)

    assert budget.enforce(str(tmp_path / "dashboard.log")) == ([], True)


def test_oldest_of_the_component_that_uses_most_goes_first(tmp_path, budget):
    for number in range(1, 5):
        put(tmp_path, f"dashboard.log.{number}", 11 * M)
    put(tmp_path, "risk_manager.log.1", 9 * M)
    put(tmp_path, "risk_manager.log.9.zst", 9 * M)

    evicted, fits = budget.enforce(str(tmp_path / "risk_manager.log"))

    assert fits
    assert [notice.path for notice in evicted] == [str(tmp_path / "dashboard.log.4")]
    assert evicted[0].count == 11 * M
    assert "risk_manager.log.9.zst" in names(tmp_path)


def test_foreign_and_hidden_files_count_and_stay(tmp_path, budget):
    (tmp_path / "sub").mkdir()
    put(tmp_path / "sub", "dashboard.log.3", 42 * M)
    put(tmp_path, ".hidden", 10 * M)
    put(tmp_path, "core", 10 * M)
    put(tmp_path, "dashboard.log.1", 10 * M)

    evicted, fits = budget.enforce(str(tmp_path / "dashboard.log"))

    assert [notice.path for notice in evicted] == [str(tmp_path / "dashboard.log.1")]
    assert not fits
    assert names(tmp_path) == [".hidden", "core", "sub"]


def test_live_files_never_go(tmp_path, budget):
    for component in COMPONENTS:
        put(tmp_path, f"{component}.log", 9 * M)

    assert budget.enforce(str(tmp_path / "dashboard.log")) == ([], False)
    assert len(names(tmp_path)) == 8


def test_file_that_was_shifted_meanwhile_is_not_the_one_deleted(
    tmp_path, budget, monkeypatch
):
    put(tmp_path, "dashboard.log.1", 30 * M)
    put(tmp_path, "dashboard.log.2", 30 * M)
    real = unlink_same

    def shift_first(victim):
        monkeypatch.undo()
        (tmp_path / "dashboard.log.2").rename(tmp_path / "dashboard.log.3")
        (tmp_path / "dashboard.log.1").rename(tmp_path / "dashboard.log.2")
        return real(victim)

    monkeypatch.setattr(module, "unlink_same", shift_first)
    evicted, _ = budget.enforce(str(tmp_path / "dashboard.log"))

    assert [notice.path for notice in evicted] == [str(tmp_path / "dashboard.log.3")]
    assert names(tmp_path) == ["dashboard.log.2"]


@pytest.mark.parametrize("own", ["dashboard.log", "risk_manager.log"])
def test_nobody_rotates_between_the_look_and_the_deletion(
    tmp_path, budget, monkeypatch, own
):
    put(tmp_path, "dashboard.log", 1)
    put(tmp_path, "dashboard.log.1", 30 * M)
    put(tmp_path, "dashboard.log.2", 30 * M)
    other = LogFile(str(tmp_path / "dashboard.log"), max_bytes=M, backup_count=9)

    def rotate_first(victim):
        monkeypatch.undo()
        with pytest.raises(RotationBusyError):
            other.rotate(patience_seconds=0)
        return unlink_same(victim)

    monkeypatch.setattr(module, "unlink_same", rotate_first)
    evicted, _ = budget.enforce(str(tmp_path / own))

    assert [notice.path for notice in evicted] == [str(tmp_path / "dashboard.log.2")]
    assert names(tmp_path) == ["dashboard.log", "dashboard.log.1"]


def test_rotation_that_does_not_end_keeps_nobody_from_the_budget(tmp_path, budget):
    put(tmp_path, "dashboard.log.1", 60 * M)

    with Chain(str(tmp_path / "dashboard.log"), 9).locked():
        _, fits = budget.enforce(str(tmp_path / "dashboard.log"))

    assert (fits, names(tmp_path)) == (True, [])


def test_whoever_rotates_holds_the_lock_already(tmp_path, budget, monkeypatch):
    put(tmp_path, "dashboard.log.1", 60 * M)
    looks = []

    def look(*arguments):
        looks.append(arguments)
        return Scan(*arguments)

    monkeypatch.setattr(module, "Scan", look)

    with Chain(str(tmp_path / "dashboard.log"), 9).locked():
        budget.enforce(str(tmp_path / "dashboard.log"), rotating=True)

    assert (len(looks), names(tmp_path)) == (1, [])


def test_what_was_deleted_at_the_start_is_told(quiet, tmp_path):
    put(tmp_path, "risk_manager.log.1", 40 * M)

    quiet(component="dashboard", max_bytes=M, budget="32M")

    assert names(tmp_path) == ["dashboard.log"]
    record = parse_line((tmp_path / "dashboard.log").read_text())
    assert record is not None
    assert record.fields["event"] == "log_evicted"
    assert "risk_manager.log.1" in record.message


def used(directory):
    done = subprocess.run(
        ["du", "--summarize", "--block-size=1", directory],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[0])


def test_directory_stays_within_its_budget_while_two_components_write(quiet, tmp_path):
    quiet(max_bytes=200 * K, budget="16M", backup_count=1000, compress=False)
    noisy = get_component_logger("dashboard")
    calm = get_component_logger("risk_manager")
    largest = 0

    for number in range(6000):
        noisy.info("x" * 4000)
        if number % 10 == 0:
            calm.info("y" * 4000)
        if number % 100 == 0:
            largest = max(largest, used(tmp_path))

    assert 4 * M < largest <= 16 * M
    # What the noisy one wrote did not push out the other's history.
    calm_bytes = sum(p.stat().st_size for p in tmp_path.glob("risk_manager.log*"))
    assert calm_bytes > 600 * 4000
    assert any(
        "event=log_evicted" in path.read_text()
        for path in tmp_path.glob("dashboard.log*")
    )


def test_use_is_told_by_component_with_what_goes_next(tmp_path):
    put(tmp_path, "dashboard.log", 5000)
    put(tmp_path, "dashboard.log.1", 9000)
    put(tmp_path, "dashboard.log.2.zst", 3000)
    put(tmp_path, "note", 100)

    use = disk_use(tmp_path, budget="64M", max_bytes=M, backup_count=2)

    first = use.components[0]
    assert (first.component, first.live_bytes) == ("dashboard", 8192)
    assert (first.backup_bytes, first.archive_bytes) == (12288, 4096)
    assert first.total_bytes == 8192 + 12288 + 4096
    assert use.used_bytes == first.total_bytes + use.other_bytes
    assert use.next_evicted == tmp_path / "dashboard.log.2.zst"
    assert 8 * 3 * M < use.predicted_bytes <= 64 * M
    assert len(use.components) == 8


def test_use_of_a_directory_that_is_not_there_is_nothing(tmp_path):
    use = disk_use(tmp_path / "no")

    assert use.used_bytes == 0
    assert use.next_evicted is None


@pytest.mark.parametrize("max_bytes", [20_000, 600_000, 50 << 20])
def test_a_live_file_has_room_kept_for_all_it_may_grow_by_before_the_next_look(
    tmp_path, max_bytes
):
    budget = Budget(str(tmp_path), 2 << 30, max_bytes, COMPONENTS)
    live = tmp_path / "dashboard.log"

    for size in (0, max_bytes // 2, max_bytes):
        # Written, as what counts is what lies on the disk.
        live.write_bytes(b"x" * size)
        scan = Scan(str(tmp_path), COMPONENTS)
        kept = budget.reserved(scan, str(live)) + sum(file.size for file in scan.files)

        # Small files may be filled up to the hard limit while nobody looks.
        most = budget.hard_limit if max_bytes < 1 << 20 else budget.next_check(size)
        assert kept >= most


def test_record_longer_than_what_is_kept_free_has_room_made_before_it_is_written(
    tmp_path,
):
    budget = Budget(str(tmp_path), 9 * M, 300, COMPONENTS)
    # Nothing but the records may have it.
    with (tmp_path / "ballast").open("wb") as ballast:
        ballast.truncate(9 * M - 1_200_000)
    file = LogFile(
        str(tmp_path / "dashboard.log"), max_bytes=300, backup_count=9, budget=budget
    )

    for _ in range(3):
        assert file.write(b"x" * 1_000_000 + b"\n")
        assert Scan(str(tmp_path), COMPONENTS).used_bytes <= 9 * M

    file.close()
    assert [notice.event for notice in file.notices] == ["log_evicted"] * 2
