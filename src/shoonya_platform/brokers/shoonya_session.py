"""
The session: one token for all processes of an account.

QuickAuth logs in by itself, once, under a lock; a process that meets a dead token takes
the one that another process has fetched meanwhile.  OAuth cannot: its token comes from
a browser, by `shoonyactl broker login`, and until then `LoginNeeded` is raised.  A
refused log-in is not tried again before a pause, by no process, as brokers lock
accounts.

A token that was refused is not used for a while, by no process, and then tried again:
a gateway may refuse a live one, and a service must not need a person for that.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import json
import os
import re
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from shoonya_platform.brokers.shoonya_account import ShoonyaAccount
from shoonya_platform.brokers.shoonya_answers import Answer, NotOk
from shoonya_platform.brokers.shoonya_http import Transport
from shoonya_platform.brokers.shoonya_margins import products_of
from shoonya_platform.clock import Clock
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.errors import (
    BrokerRejected,
    BrokerUnavailable,
    ConfigError,
    LoginNeeded,
    OutcomeUnknown,
)

#: Nobody logs in again this soon after a refusal.
REFUSED_SECONDS = 300.0
#: A session that dies more often than this is being ended by somebody else.
MAX_LOGINS = 3
LOGIN_WINDOW_SECONDS = 120.0
_TOTP_SECONDS = 30
#: No session lasts for more than a few days.
_SECONDS = re.compile("[0-9]{1,7}")
_TOKEN = re.compile("[!-%'-~]{1,4096}")
#: A token of a browser that was refused is tried again after so long.
DEAD_SECONDS = 60.0
_LOGIN_HINT = "log in with a browser: shoonyactl broker login"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What the processes know of the log-ins; times in seconds of the epoch."""

    token: str | None = field(default=None, repr=False)
    user_id: str = ""
    logins: tuple[float, ...] = ()
    ends_at: float | None = None
    refusal: str = ""
    refused_until: float = 0.0
    #: The token that was refused last, as a digest, when, and what the broker said.
    dead_digest: str = ""
    died_at: float = 0.0
    death: str = ""
    #: The products of the account by exchange, as the login told; None if it did not.
    products: dict[str, list[str]] | None = None


class Session:
    """
    Hands out the token, and fetches a new one for a dead one.

    Args:
        transport: For the log-in.
    """

    def __init__(
        self, account: ShoonyaAccount, transport: Transport, clock: Clock
    ) -> None:
        self._account = account
        self._transport = transport
        self._clock = clock
        self._path = account.folder / "session.json"
        self._token: str | None = None
        #: Tokens that the broker refused, and when, monotonic.
        self._dead: dict[str, float] = {}

    @property
    def current(self) -> str | None:
        """The token as far as it is known and not known to be dead."""
        return self._token

    def token(self) -> str:
        """
        Return the token, logging in if there is none.

        Raises:
            BrokerUnavailable: There is none to be had now; nothing was asked of the
                broker with a token known to be dead.
        """
        if self._token is None:
            self._token = self._fetch()
        return self._token

    def renew(self, dead: str, why: str = "") -> str:
        """
        Return another token than the dead one.

        Raises:
            BrokerUnavailable: There is none to be had now.
        """
        self.bury(dead, why)
        return self.token()

    def bury(self, dead: str, why: str) -> None:
        """Let no process use a token for a while that the broker has refused."""
        self._dead[dead] = self._clock.monotonic()
        self._token = None
        if self._account.generation != "oauth":
            return
        now = self._clock.now().timestamp()
        with self._locked():
            record = self._read()
            self._write(
                replace(record, dead_digest=sha256(dead), died_at=now, death=why)
            )

    def works(self, token: str) -> None:
        """Note that the broker took a token, which may have been refused before."""
        if self._dead.pop(token, None) is None or self._account.generation != "oauth":
            return
        with self._locked():
            record = self._read()
            if record.dead_digest == sha256(token):
                self._write(replace(record, dead_digest="", died_at=0.0, death=""))

    def products(self) -> dict[Exchange, frozenset[Product]] | None:
        """Return what the account may use, None if this session does not know."""
        kept = self._read().products
        if kept is None:
            return None
        try:
            return {
                Exchange(exchange): frozenset(map(Product, names))
                for exchange, names in kept.items()
            }
        except (ValueError, TypeError, AttributeError):
            return None

    def keep_products(self, products: Mapping[Exchange, frozenset[Product]]) -> None:
        """Keep with the session what the account may use."""
        with self._locked():
            self._write(replace(self._read(), products=_names_of(products)))

    def lifetime(self) -> tuple[datetime | None, datetime | None]:
        """Return when the session began and when it ends, as far as is known."""
        record = self._read()
        return (
            _moment(record.logins[-1] if record.logins else None),
            _moment(record.ends_at),
        )

    def exchange(self, code: str, secret: str) -> tuple[str, datetime | None]:
        """
        Turn the code of a login with a browser into a token, and take it.

        Returns:
            The token, and when it ends at the latest.

        Raises:
            BrokerRejected: The code or the secret is wrong.
            BrokerUnavailable: There was no usable answer.
        """
        account = self._account
        fields = {
            "code": code,
            "checksum": sha256(f"{account.vendor_code}{secret}{code}"),
            "uid": account.user_id,
        }
        try:
            answer = self._transport.post("GenAcsTok", fields, token=None)
        except NotOk as e:
            raise BrokerRejected(f"the broker refused the code: {e.emsg}") from e
        except OutcomeUnknown as e:
            raise BrokerUnavailable(f"could not log in: {e.message}") from e
        token = _token_of(answer, "access_token")
        now = self._clock.now().timestamp()
        seconds = answer.get("expires_in") if isinstance(answer, dict) else None
        ends_at = None
        if isinstance(seconds, str) and _SECONDS.fullmatch(seconds):
            ends_at = now + int(seconds)
        with self._locked():
            self._write(
                _Record(
                    token=token,
                    user_id=account.user_id,
                    logins=(now,),
                    ends_at=ends_at,
                    products=_products_of(answer),
                )
            )
        self._token = token
        return token, _moment(ends_at)

    def keep(self, path: Path, token: str) -> None:
        """Write the token as a credential's file that only its owner reads."""
        write_private(path, token + "\n")

    def log_in(self) -> None:
        """Log in by QuickAuth now, in spite of refusals before."""
        with self._locked():
            self._token = self._quick_auth(self._read())

    def forget(self) -> None:
        """Let all processes know of no session."""
        with self._locked():
            self._write(replace(self._read(), token=None, ends_at=None))
        self._token = None

    def _fetch(self) -> str:
        if self._account.generation == "oauth":
            return self._browser_token()
        with self._locked():
            record = self._read()
            if record.token is not None and not self._is_dead(record.token, record):
                return record.token
            self._raise_if_too_often(record)
            return self._quick_auth(record)

    def _browser_token(self) -> str:
        # The record is where a log-in reaches services that run: what systemd hands
        # over is a copy of the moment at which they began.
        record = self._read()
        found = [record.token, self._account.secret("broker_access_token")]
        tokens = [token for token in found if token is not None]
        if not tokens:
            raise LoginNeeded("not logged in at the broker", hint=_LOGIN_HINT)
        for token in tokens:
            if not (token.isascii() and token.isprintable()):
                raise LoginNeeded("the access token is damaged", hint=_LOGIN_HINT)
            if not self._is_dead(token, record):
                return token
        said = f" ({record.death})" if record.death else ""
        raise LoginNeeded(
            f"the session at the broker has ended{said}", hint=_LOGIN_HINT
        )

    def _is_dead(self, token: str, record: _Record) -> bool:
        """Return whether a token was refused, and is not tried again yet."""
        if self._account.generation != "oauth":
            return token in self._dead
        refused_at = self._dead.get(token, float("-inf"))
        if self._clock.monotonic() - refused_at < DEAD_SECONDS:
            return True
        # Another process may have met it later than this one.
        age = self._clock.now().timestamp() - record.died_at
        return record.dead_digest == sha256(token) and 0 <= age < DEAD_SECONDS

    def _raise_if_too_often(self, record: _Record) -> None:
        now = self._clock.now().timestamp()
        if record.refused_until > now:
            raise LoginNeeded(
                f"the broker refused the log-in ({record.refusal}), not trying again "
                f"for {record.refused_until - now:.0f} s",
                hint="fix the credentials, then: shoonyactl broker login",
            )
        recent = [at for at in record.logins if 0 <= now - at < LOGIN_WINDOW_SECONDS]
        if len(recent) >= MAX_LOGINS:
            raise BrokerUnavailable(
                f"the session was ended {len(recent)} times within "
                f"{LOGIN_WINDOW_SECONDS:.0f} s, logging in again in "
                f"{recent[0] + LOGIN_WINDOW_SECONDS - now:.0f} s",
                hint="does another program log in with the same account?",
            )

    def _quick_auth(self, record: _Record) -> str:
        account = self._account
        now = self._clock.now().timestamp()
        api_secret = self._needed("broker_api_secret")
        fields = {
            "source": "API",
            "apkversion": "1.0.0",
            "uid": account.user_id,
            "pwd": sha256(self._needed("broker_password")),
            "factor2": totp(self._needed("broker_totp_secret"), now),
            "vc": account.vendor_code,
            "appkey": sha256(f"{account.user_id}|{api_secret}"),
            "imei": account.imei,
        }
        try:
            answer = self._transport.post("QuickAuth", fields, token=None)
        except NotOk as e:
            self._refused(record, e.emsg, now)
        except OutcomeUnknown as e:
            # A session more or less changes nothing: simply try again later.
            raise BrokerUnavailable(f"could not log in: {e.message}") from e
        token = _token_of(answer, "susertoken")
        self._write(
            _Record(
                token=token,
                user_id=account.user_id,
                logins=(*record.logins[-MAX_LOGINS:], now),
                products=_products_of(answer),
            )
        )
        return token

    def _refused(self, record: _Record, emsg: str, now: float) -> None:
        # A code counts once: the one after it may be all that is needed.
        used = any(
            int(at) // _TOTP_SECONDS == int(now) // _TOTP_SECONDS
            for at in record.logins
        )
        pause = _TOTP_SECONDS - now % _TOTP_SECONDS if used else REFUSED_SECONDS
        self._write(
            replace(record, token=None, refusal=emsg, refused_until=now + pause)
        )
        raise LoginNeeded(
            f"the broker refused the log-in: {emsg}",
            hint="fix the credentials, then: shoonyactl broker login",
        )

    def _needed(self, name: str) -> str:
        value = self._account.secret(name)
        if value is None:
            raise BrokerUnavailable(f"the secret '{name}' is missing")
        return value

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = self._account.folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(folder / "session.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as e:
            raise self._unusable(e) from e
        try:
            self._lock(file)
            yield
        finally:
            os.close(file)

    def _lock(self, file: int) -> None:
        # Whoever holds it is logging in, which has a time limit of its own.
        until = time.monotonic() + 3 * self._account.timeout_seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as e:
                if time.monotonic() > until:
                    raise BrokerUnavailable(
                        "another process has been logging in for too long"
                    ) from e
            time.sleep(0.02)

    def _read(self) -> _Record:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            record = _Record(**{**content, "logins": tuple(content["logins"])})
        except FileNotFoundError:
            return _Record()
        except OSError as e:
            raise self._unusable(e) from e
        except (ValueError, TypeError, KeyError):
            # Half written by a machine that died: the next log-in writes it again.
            return _Record()
        if record.user_id not in ("", self._account.user_id):
            return _Record()
        return record

    def _write(self, record: _Record) -> None:
        try:
            write_private(self._path, json.dumps(asdict(record)))
        except OSError as e:
            raise self._unusable(e) from e

    def _unusable(self, error: OSError) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"the session's directory '{self._account.folder}' cannot be used: "
            f"{error.strerror}",
            hint="check the owner and mode of the directory",
        )


def _token_of(answer: Answer, name: str) -> str:
    token = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise BrokerUnavailable("could not log in: the answer has no token")
    # It goes into a header, or behind the body, as it is.
    if not _TOKEN.fullmatch(token):
        raise BrokerUnavailable("could not log in: the answer's token is damaged")
    return token


def _products_of(answer: Answer) -> dict[str, list[str]] | None:
    found = products_of(answer) if isinstance(answer, dict) else None
    return None if found is None else _names_of(found)


def _names_of(
    products: Mapping[Exchange, frozenset[Product]],
) -> dict[str, list[str]]:
    return {
        str(exchange): sorted(map(str, each)) for exchange, each in products.items()
    }


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner reads, whole or not at all."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, text.encode())
        os.fsync(file)
    finally:
        os.close(file)
    new.replace(path)


def totp(secret: str, seconds: float) -> str:
    """
    Return the six digits of RFC 6238 at a moment.

    Args:
        secret: Base32, as the broker shows it, with or without spaces.

    Raises:
        ConfigError: It is not base32.
    """
    text = secret.replace(" ", "").upper().rstrip("=")
    try:
        key = base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error as e:
        raise ConfigError("the secret 'broker_totp_secret' is not base32") from e
    counter = struct.pack(">Q", int(seconds) // _TOTP_SECONDS)
    digest = hmac.digest(key, counter, "sha1")
    offset = digest[-1] & 0xF
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06d}"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
