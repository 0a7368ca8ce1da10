"""From the machine to an archive that may be handed out, or to a refusal."""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from shoonya_platform import __version__
from shoonya_platform.ctl.bundling import archive, logs, machine, parts
from shoonya_platform.ctl.bundling.known import Known, known
from shoonya_platform.ctl.bundling.masking import Masker
from shoonya_platform.ctl.bundling.seeking import Seeker
from shoonya_platform.ctl.bundling.shelf import LeftOut, Shelf
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.errors import BundleRefused, ShoonyaError
from shoonya_platform.logging.sizes import size_text
from shoonya_platform.services.units import is_of_user

_FORMAT = 1
#: Of the limit, kept for the manifest and for what a tar adds.
_RESERVE = 16 * 1024

#: Is told what is being done, and each time a record is read.
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """
    What somebody wants.

    Attributes:
        path: Where the archive is to be; there must be nothing.

        since: Local time; "" is before all.

        max_bytes: How large the archive may be.
    """

    path: Path
    services: Sequence[str]
    since: str
    max_bytes: int
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What was made."""

    path: Path
    bytes: int
    files: Sequence[archive.Member]
    masked: Mapping[str, int]  #: how often, by kind
    pseudonyms: Mapping[str, int]  #: how many different ones, by kind
    left_out: Mapping[str, LeftOut]  #: for the size, by file
    unreadable: Mapping[str, str]  #: what could not be read, and why
    secrets_not_searched: Mapping[str, str]  #: as they could not be read


def make(ctl: Ctl, order: Order, progress: Progress) -> Bundle:
    """
    Make an archive, and look through it before anybody gets it.

    Raises:
        BundleRefused: A secret was found in it; it is deleted.
        ShoonyaError: It cannot be written, or not as small as that.
    """
    settings, secrets = parts.settings_of(ctl)
    found = known(settings, secrets, machine.unit_files()[0].values())
    seeker = found.seeker()
    masker = found.masker(seeker)
    small, unreadable = parts.collect(ctl, order.services, masker, progress)
    room = order.max_bytes - _packed(small) - _RESERVE
    if room < 0:
        raise ShoonyaError(
            f"without a single log line it takes {size_text(order.max_bytes - room)}",
            hint="give it room: --max-size 1M or more",
        )
    unfinished = order.path.with_name(f".{order.path.name}.new")
    try:
        with tempfile.TemporaryDirectory(
            dir=order.path.parent, prefix=".shoonya-bundle-"
        ) as name:
            shelf = Shelf(Path(name), room, masker)
            user = is_of_user(settings.paths.runtime_dir)

            def advance() -> None:
                progress("log records")

            for missing in (
                logs.from_files(
                    shelf, settings.paths.log_dir, order.services, order.since, advance
                ),
                logs.from_journal(
                    shelf, order.services, order.since, user=user, advance=advance
                ),
            ):
                unreadable |= {key: masker.text(why) for key, why in missing.items()}
            shelf.finish()
            progress("writing")
            members = _write(unfinished, order, small, shelf, found, masker, unreadable)
            progress("looking for secrets in it")
            _refuse_secrets(unfinished, seeker)
            size = unfinished.stat().st_size
            _hand_out(unfinished, order.path)
    except OSError as e:
        raise ShoonyaError(
            f"cannot write to '{order.path.parent}': {(e.strerror or str(e)).lower()}",
            hint="name another place: --output",
        ) from e
    finally:
        unfinished.unlink(missing_ok=True)
    return Bundle(
        path=order.path,
        bytes=size,
        files=members,
        masked=masker.counts(),
        pseudonyms=masker.pseudonyms(),
        left_out=shelf.left_out,
        unreadable=unreadable,
        secrets_not_searched=found.unreadable,
    )


def _write(
    path: Path,
    order: Order,
    small: Mapping[str, str],
    shelf: Shelf,
    found: Known,
    masker: Masker,
    unreadable: Mapping[str, str],
) -> list[archive.Member]:
    folder = f"shoonya-bundle-{order.now:%Y%m%d-%H%M%S}"
    while True:
        manifest = {
            "format": _FORMAT,
            "made_at": order.now.isoformat(),
            "version": __version__,
            "since": order.since,
            "services": list(order.services),
            "masked": masker.counts(),
            "pseudonyms": masker.pseudonyms(),
            "searched_for": sorted(found.secrets),
            "not_searched_for": dict(found.unreadable),
            "unreadable": dict(unreadable),
            "left_out": {name: asdict(gone) for name, gone in shelf.left_out.items()},
        }
        members = archive.write(path, folder, small, shelf, manifest)
        excess = path.stat().st_size - order.max_bytes
        if excess <= 0:
            return members
        path.unlink()
        if not shelf.drop(excess):
            raise ShoonyaError(
                f"it takes {size_text(order.max_bytes + excess)} without a log line",
                hint="give it more room: --max-size",
            )


def _packed(small: Mapping[str, str]) -> int:
    return len(gzip.compress("".join(small.values()).encode("utf-8", "replace"), 6))


def _refuse_secrets(path: Path, seeker: Seeker) -> None:
    hits = list(archive.scan(path, seeker))
    if not hits:
        return
    places = "; ".join(f"'{name}' shows {hit.name} ({hit.form})" for name, hit in hits)
    raise BundleRefused(
        f"a secret is in the finished archive, which is deleted: {places}",
        hint="look at the lines it was made from; name the other services to have "
        "an archive without them",
    )


def _hand_out(unfinished: Path, path: Path) -> None:
    if os.geteuid() == 0 and "SUDO_UID" in os.environ:
        # It is for who asked, who is to look at it and send it.
        with contextlib.suppress(ValueError, KeyError):
            owner = int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"])
            os.chown(unfinished, *owner)
    # Not over one that is there.
    os.link(unfinished, path)
