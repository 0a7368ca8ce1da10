"""What must not get out: the secrets and accounts of this machine, by name."""

from __future__ import annotations

import json
import re
import secrets as random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shoonya_platform.config.secrets import SECRETS, Secrets, variable
from shoonya_platform.config.settings import Settings
from shoonya_platform.ctl.bundling.masking import Masker
from shoonya_platform.ctl.bundling.pseudonyms import Pseudonyms
from shoonya_platform.ctl.bundling.seeking import Seeker
from shoonya_platform.logging.redaction import Redactor
from shoonya_platform.services import session_file

#: A shorter part of an address is a word such as `api` or `message`.
_MINIMUM_PART = 16
#: A shorter id may stand anywhere by chance.
_MINIMUM_ID = 6
_IN_UNITS = re.compile(
    rf"(?:{'|'.join(variable(name) for name in SECRETS)})=(?P<v1>[^\s\"']+)"
    r"|^SetCredential=(?:[^:\s]+):(?P<v2>.+)$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Known:
    """
    All that is known here.

    Attributes:
        secrets: Their values by name.

        unreadable: Secrets that could not be read, and why.

        accounts: Client ids.

        people: What stands for people.
    """

    secrets: Mapping[str, list[str]]
    unreadable: Mapping[str, str]
    accounts: frozenset[str]
    people: frozenset[str]

    def seeker(self) -> Seeker:
        """Return what finds them all."""
        ids = [each for each in self.accounts | self.people if len(each) >= _MINIMUM_ID]
        return Seeker({**self.secrets, "account": ids})

    def masker(self, seeker: Seeker) -> Masker:
        """Return what masks them, with pseudonyms by a new key."""
        values = [value for known in self.secrets.values() for value in known]
        pseudonyms = Pseudonyms(random.token_bytes(32), self.accounts, self.people)
        return Masker(Redactor(values), seeker, pseudonyms)


def known(settings: Settings, secrets: Secrets, unit_texts: Iterable[str]) -> Known:
    """
    Gather what must not get out.

    Args:
        unit_texts: Units and drop-ins: people put secrets into them too.
    """
    found = {name: list(values) for name, values in secrets.known().items()}
    unreadable = dict(secrets.unreadable())
    for name, values in found.items():
        found[name] = values + [part for each in values for part in _parts(each)]
    planted = [
        match["v1"] or match["v2"].strip()
        for text in unit_texts
        for match in _IN_UNITS.finditer(text)
    ]
    if planted:
        found["secrets in units"] = planted
    session = session_file.path_of(settings)
    try:
        if token := _token(session):
            found["broker session"] = [token]
    except OSError as e:
        unreadable["broker session"] = f"{session}: {(e.strerror or str(e)).lower()}"
    user_id, vendor_code = settings.shoonya.user_id, settings.shoonya.vendor_code
    # A code that is made of the id stays so.
    accounts = {user_id, *([] if user_id in vendor_code else [vendor_code])}
    people = {str(number) for number in settings.notify.telegram_users}
    return Known(found, unreadable, frozenset(accounts - {""}), frozenset(people))


def _token(path: Path) -> str | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    token = content.get("token") if isinstance(content, dict) else None
    return token if isinstance(token, str) else None


def _parts(value: str) -> list[str]:
    """Return what is secret of an address, as libraries log only pieces of it."""
    if "://" not in value:
        return []
    try:
        address = urlsplit(value)
    except ValueError:
        return []
    long = [each for each in address.path.split("/") if len(each) >= _MINIMUM_PART]
    # apprise has tokens where others have the host.
    host = address.netloc.rpartition("@")[2]
    if "." not in host and len(host) >= _MINIMUM_PART:
        long.append(host)
    passwords = [unquote(address.password)] if address.password else []
    return passwords + long
