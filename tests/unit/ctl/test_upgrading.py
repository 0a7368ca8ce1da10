"""An upgrade that is killed at any moment ends with the new version or the old one."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl import _record, _upgrading
from shoonya_platform.ctl._record import Phase, Record
from shoonya_platform.errors import ShoonyaError

OLD, NEW = "1-old", "2-new"
#: What each version makes of the store.
SCHEMAS = {OLD: 2, NEW: 3}
BEGIN = Record(
    phase=Phase.FORWARD, old=OLD, new=NEW, services=COMPONENTS, backup="/backup"
)


class Killed(BaseException):
    """The process is gone."""


@dataclass
class FakeMachine:
    """A machine in memory whose upgrade dies before the given deeds."""

    kills: list[int] = field(default_factory=list)  #: deeds until the next death
    broken: frozenset[str] = frozenset()  #: services that fail with the new version
    broken_later: bool = False  #: they all start, and then one dies
    refuses_units: bool = False
    refuses_migration: bool = False
    link: str = OLD
    units: str = OLD
    schema: int = 2
    running: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys(COMPONENTS, OLD)
    )
    record: Record | None = None
    done: list[str] = field(default_factory=list)

    def keep(self, record: Record) -> None:
        self._live("keep")
        self.record = record

    def switch(self, release: str) -> None:
        self._live("switch")
        self.link = release

    def install_units(self, release: str) -> None:
        self._live("units")
        if self.refuses_units and release == NEW:
            raise ShoonyaError("systemd objects")
        self.units = release

    def migrate(self, release: str) -> None:
        self._live("migrate")
        if self.refuses_migration:
            raise ShoonyaError("the migration fails")
        self.schema = SCHEMAS[release]

    def take_back(self, backup: Path, release: str) -> None:
        self._live("take back")
        self.schema = SCHEMAS[OLD]

    def restart(self, service: str) -> None:
        self._live(f"restart {service}")
        self.running[service] = self.link
        if self.link == NEW and service in self.broken:
            raise ShoonyaError(f"{service} does not become ready")
        # An old version refuses a newer store.
        assert self.schema <= SCHEMAS[self.link]

    def watch(self, services: tuple[str, ...]) -> None:
        self._live("watch")
        if self.broken_later:
            raise ShoonyaError("dashboard did not stay up")

    def _live(self, deed: str) -> None:
        if self.kills:
            if self.kills[0] == 0:
                del self.kills[0]
                raise Killed
            self.kills[0] -= 1
        self.done.append(deed)

    @property
    def versions(self) -> set[str]:
        """All that is in use somewhere: of one version, if all is well."""
        schema = {2: OLD, 3: NEW}[self.schema]
        return {self.link, self.units, schema, *self.running.values()}


def upgrade(machine: FakeMachine, record: Record = BEGIN) -> Record:
    """Say it again and again until it was not killed."""
    while True:
        # As `upgrade` does: what is on the disk says which way it goes.
        current = machine.record or record
        go = _upgrading.back if current.phase is Phase.BACK else _upgrading.forward
        try:
            return go(current, machine, machine.keep, lambda sentence: None)
        except Killed:
            continue


def test_upgrade_leaves_all_of_the_new_version():
    machine = FakeMachine()

    record = upgrade(machine)

    assert machine.versions == {NEW}
    assert record.phase is Phase.DONE
    restarts = [deed for deed in machine.done if deed.startswith("restart")]
    assert restarts == [f"restart {name}" for name in COMPONENTS]


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param({"broken": frozenset({COMPONENTS[0]})}, id="first"),
        pytest.param({"broken": frozenset({COMPONENTS[-1]})}, id="last"),
        pytest.param({"broken_later": True}, id="after-the-restart"),
        pytest.param({"refuses_units": True}, id="units"),
        pytest.param({"refuses_migration": True}, id="migration"),
    ],
)
def test_version_that_does_not_work_leaves_all_of_the_old_one(trouble):
    machine = FakeMachine(**trouble)

    record = upgrade(machine)

    assert machine.versions == {OLD}
    assert record.phase is Phase.ROLLED_BACK
    assert record.reason


def test_service_that_never_ran_the_new_version_is_not_restarted_for_the_old_one():
    machine = FakeMachine(broken=frozenset({COMPONENTS[1]}))

    upgrade(machine)

    restarted = {deed for deed in machine.done if deed.startswith("restart")}
    assert restarted == {f"restart {name}" for name in COMPONENTS[:2]}


def test_service_that_fails_with_both_is_named_and_holds_up_no_other():
    machine = FakeMachine(broken=frozenset({COMPONENTS[2]}))
    first = COMPONENTS[0]
    restart = machine.restart

    def failing(service: str) -> None:
        restart(service)
        if service == first and machine.link == OLD:
            raise ShoonyaError(f"{first} does not become ready")

    machine.restart = failing  # type: ignore[method-assign]

    with pytest.raises(ShoonyaError, match=f"back on {OLD}, but {first}"):
        upgrade(machine)

    assert machine.versions == {OLD}
    assert machine.record is not None
    assert not machine.record.is_under_way


def test_without_a_store_nothing_is_migrated():
    machine = FakeMachine()

    upgrade(machine, replace(BEGIN, backup=""))

    assert "migrate" not in machine.done


@given(
    kills=st.lists(st.integers(0, 25), max_size=5),
    broken=st.frozensets(st.sampled_from(COMPONENTS), max_size=2),
    broken_later=st.booleans(),
)
def test_upgrade_killed_at_any_moments_ends_wholly_new_or_wholly_old(
    kills, broken, broken_later
):
    machine = FakeMachine(kills=kills, broken=broken, broken_later=broken_later)

    record = upgrade(machine)

    is_good = not broken and not broken_later
    assert record.phase is (Phase.DONE if is_good else Phase.ROLLED_BACK)
    assert machine.versions == {NEW if is_good else OLD}


@given(kills=st.lists(st.integers(0, 25), max_size=5))
def test_rollback_killed_at_any_moments_ends_wholly_old(kills):
    machine = FakeMachine()
    done = upgrade(machine)
    machine.kills = kills

    upgrade(machine, replace(done, phase=Phase.BACK, touched=COMPONENTS))
    record = machine.record
    assert record is not None
    if record.phase is Phase.DONE:
        # Killed before it was noted: nothing was done yet.
        assert machine.versions == {NEW}
    else:
        assert machine.versions == {OLD}


# -- the record ------------------------------------------------------------------


def test_record_is_read_as_it_was_written(tmp_path):
    record = replace(BEGIN, touched=("dashboard",), reason="because")

    _record.write(tmp_path, record)

    assert _record.read(tmp_path) == record


def test_no_record_is_none_and_a_broken_one_an_error_that_says_what_to_do(tmp_path):
    assert _record.read(tmp_path) is None
    _record.path_of(tmp_path).write_text('{"phase": "sideways"}')

    with pytest.raises(ShoonyaError, match="readlink"):
        _record.read(tmp_path)
