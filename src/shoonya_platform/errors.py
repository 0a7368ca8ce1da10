"""
The tree of errors, sorted by what there is to do.

    ShoonyaError
     ├─ ConfigError            fix the configuration; a service exits 78
     │   ├─ SecretMissing
     │   └─ OtherAccount       the store is another account's book
     ├─ AlertRefused           tell the sender; a 4xx, never sent again
     ├─ Denied                 a rule of ours forbids it
     ├─ NothingFilled          all went as it should, and nothing was traded
     ├─ NotFound               no such order, alert, service
     ├─ NotAllowed             the order's state does not permit it
     ├─ NotRunning             nobody answers; start the services
     ├─ WaitedTooLong          a time limit of the caller's has passed
     ├─ AlreadyRunning         another process does this service's work
     ├─ BundleRefused          a secret is in what was to be handed out
     ├─ StoreError
     │   ├─ StoreBusy          try later: locked, disk full
     │   └─ StoreDamaged       stop and fetch a human; a service exits 78
     └─ BrokerError
         ├─ BrokerUnavailable  nothing was sent: safe to try again
         │   └─ LoginNeeded    nothing goes on until a person logs in
         ├─ BrokerRejected     the broker said no, and said why
         └─ OutcomeUnknown     it may have arrived: ask, never re-send

Each class owns the exit code that `shoonyactl` ends with.
"""

from __future__ import annotations

from typing import ClassVar


class ShoonyaError(Exception):
    """
    Base of all errors that carry a sentence for the operator.

    Args:
        message: Lower case, no full stop, names quoted.

        hint: What to do about it, or None.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        if self.hint is None:
            return self.message
        return f"{self.message}\nhint: {self.hint}"

    @property
    def sentence(self) -> str:
        """The whole error on one line, for a log record."""
        return self.message if self.hint is None else f"{self.message}; {self.hint}"


class ConfigError(ShoonyaError):
    """The configuration cannot be used as it stands."""

    exit_code = 10


class SecretMissing(ConfigError):
    """A secret that is needed was found in no place it may come from."""

    exit_code = 11


class OtherAccount(ConfigError):
    """The store is the book of another account than the configured one."""

    exit_code = 15


class AlertRefused(ShoonyaError):
    """
    The alert can never become an order; sending it again changes nothing.

    Args:
        code: A stable word for programs, for example `LEGS_MISSING`.

        status: The HTTP status that tells the sender, 400-499.
    """

    exit_code = 30

    def __init__(
        self, code: str, message: str, *, status: int = 400, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.status = status


class Denied(ShoonyaError):
    """We refused it ourselves: a rule of risk_manager or execution_guard."""

    exit_code = 31


class NothingFilled(ShoonyaError):
    """The alert was taken, and nothing of it was filled."""

    exit_code = 32


class NotFound(ShoonyaError):
    """There is no such service, order or alert."""

    exit_code = 4


class NotAllowed(ShoonyaError):
    """What was asked does not fit the state things are in."""

    exit_code = 1


class NotRunning(ShoonyaError):
    """Nobody answers where the service should be."""

    exit_code = 3


class WaitedTooLong(ShoonyaError):
    """The time allowed for waiting is over; what was asked may still happen."""

    exit_code = 124


class AlreadyRunning(ShoonyaError):
    """Another process is doing this service's work."""

    exit_code = 1


class BundleRefused(ShoonyaError):
    """A secret was found in a finished archive, which was deleted."""

    exit_code = 50


class StoreError(ShoonyaError):
    """The order store did not do what was asked."""

    exit_code = 12


class StoreBusy(StoreError):
    """The store cannot answer now; the same request may succeed later."""

    exit_code = 13


class StoreDamaged(StoreError):
    """The store's file is not what it should be; a person has to look."""

    exit_code = 14


class BrokerError(ShoonyaError):
    """The broker did not do what was asked."""

    exit_code = 20


class BrokerUnavailable(BrokerError):
    """The request was proven not to have reached the broker."""

    exit_code = 21


class LoginNeeded(BrokerUnavailable):
    """There is no session at the broker, and none can be had without a person."""


class BrokerRejected(BrokerError):
    """The broker took the request and refused it."""

    exit_code = 22


class OutcomeUnknown(BrokerError):
    """The request may or may not have reached the broker."""

    exit_code = 23


#: A *service* that finds its configuration unusable leaves with this (EX_CONFIG);
#: the unit file's `RestartPreventExitStatus=` names the same number.
EXIT_CONFIG = 78
#: A *service* that crashed too often ends with this instead of beginning again;
#: `RestartPreventExitStatus=` names it too.
EXIT_GIVEN_UP = 79
#: A *service* that nears its memory limit ends its work in order with this; the
#: unit starts it anew, and it counts as no crash (EX_TEMPFAIL).
EXIT_RENEW = 75
