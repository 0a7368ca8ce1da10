"""
The steps of an upgrade, forward and back.

Each can be done twice, and the record says on the disk which way it goes.  So one that
was killed is taken up again from the first step, and ends with the new version or the
old one, never between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from shoonya_platform.ctl._record import Phase, Record
from shoonya_platform.errors import ShoonyaError


class Deeds(Protocol):
    """
    What is done to the machine; each raises ShoonyaError where it cannot be.
    """

    def switch(self, release: str) -> None:
        """Have the services run this release from their next start on."""
        ...

    def install_units(self, release: str) -> None:
        """Install the units as this release has them."""
        ...

    def migrate(self, release: str) -> None:
        """Bring the store to this release's schema."""
        ...

    def take_back(self, backup: Path, release: str) -> None:
        """Give the store the schema of its backup, and keep what this release wrote."""
        ...

    def restart(self, service: str) -> None:
        """Restart a service and wait until it is ready."""
        ...

    def watch(self, services: tuple[str, ...]) -> None:
        """See that these work, for a while."""
        ...


Keep = Callable[[Record], None]
Tell = Callable[[str], None]


def forward(record: Record, deeds: Deeds, keep: Keep, tell: Tell) -> Record:
    """
    Go to the new version; where it does not work, back to the old one.

    Args:
        keep: Puts a record onto the disk.

        tell: Says a step to whoever waits.

    Returns:
        The record at the end: DONE or ROLLED_BACK.

    Raises:
        ShoonyaError: Neither could be brought to its end.
    """
    record = _kept(replace(record, phase=Phase.FORWARD), keep)
    try:
        tell(f"switching from {record.old} to {record.new}")
        deeds.switch(record.new)
        tell("installing its units")
        deeds.install_units(record.new)
        if record.backup:
            tell("migrating the order store")
            deeds.migrate(record.new)
        for service in record.services:
            tell(f"restarting {service}")
            touched = (*(s for s in record.touched if s != service), service)
            record = _kept(replace(record, touched=touched), keep)
            deeds.restart(service)
        tell("watching the services")
        deeds.watch(record.services)
    except ShoonyaError as e:
        record = replace(record, reason=e.message)
        tell(f"it does not work: {e.message}")
        return back(record, deeds, keep, tell)
    return _kept(replace(record, phase=Phase.DONE, reason=""), keep)


def back(record: Record, deeds: Deeds, keep: Keep, tell: Tell) -> Record:
    """
    Go back to the old version.

    Raises:
        ShoonyaError: It does not work either.
    """
    record = _kept(replace(record, phase=Phase.BACK), keep)
    tell(f"going back to {record.old}")
    deeds.switch(record.old)
    deeds.install_units(record.old)
    if record.backup:
        try:
            deeds.take_back(Path(record.backup), record.new)
        except ShoonyaError:
            # It may have stopped them all.
            keep(replace(record, touched=record.services))
            raise
    troubles = []
    for service in record.services:
        if service not in record.touched:
            continue
        tell(f"restarting {service}")
        try:
            deeds.restart(service)
        except ShoonyaError as e:
            # The others come first: one that fails with both is no reason to stop.
            troubles.append(e.message)
    record = _kept(replace(record, phase=Phase.ROLLED_BACK), keep)
    if troubles:
        raise ShoonyaError(
            f"back on {record.old}, but {'; '.join(troubles)}",
            hint="see what there is to do: shoonyactl status",
        )
    return record


def _kept(record: Record, keep: Keep) -> Record:
    keep(record)
    return record
