"""
The section of the runbook that belongs to what was found: a leaf.

A test holds that each has one, and that it is there.
"""

from __future__ import annotations

from collections.abc import Mapping

from shoonya_platform.errors import EXIT_CONFIG, EXIT_RENEW

PAGE = "docs/runbook.md"

_INSTALLATION = "the-installation-is-not-whole"
_JOURNAL = "the-journal-forgets"
_STORE = "the-order-store-is-damaged"
_SECRETS = "others-can-read-what-is-secret"
_CLOCK = "the-clock-is-wrong"
_PORT = "a-port-is-taken"
_SERVICE = "a-service-is-red"
_CONFIG = "the-configuration-is-refused"
_MEMORY = "a-service-needs-too-much-memory"
_BROKER = "the-broker-does-not-answer-or-the-session-expired"
_INSTRUMENTS = "the-list-of-instruments-is-missing-or-old"
_WAITING = "orders-wait-too-long"
_OTHER_ACCOUNT = "another-accounts-book-is-not-empty"

#: By the names of the doctor's checks.
SECTIONS: Mapping[str, str] = {
    "broker_session": _BROKER,
    "clock": _CLOCK,
    "config": _CONFIG,
    "config_file": _SECRETS,
    "credentials": _SECRETS,
    "dashboard_port": _PORT,
    "disk_space": "the-disk-is-full",
    "instruments": _INSTRUMENTS,
    "journal_access": _JOURNAL,
    "journal_dropped": _JOURNAL,
    "journal_size": _JOURNAL,
    "journal_storage": _JOURNAL,
    "limits": _INSTALLATION,
    "log_budget": "the-log-is-over-its-budget",
    "obsolete_units": _INSTALLATION,
    "other_accounts": _OTHER_ACCOUNT,
    "private_files": _SECRETS,
    "program": _INSTALLATION,
    "python_version": _INSTALLATION,
    "services": _SERVICE,
    "started_at_boot": _INSTALLATION,
    "store_integrity": _STORE,
    "store_schema": _STORE,
    "systemd_version": _INSTALLATION,
    "time_zone": _CLOCK,
    "units": _INSTALLATION,
    "units_reloaded": _INSTALLATION,
    "webhook_port": _PORT,
}

#: By the kinds of `assessment.conditions`: a leaf cannot import them.
CONDITIONS: Mapping[str, str] = {
    "position_differs": "positions-differ",
    "price_factor_differs": "the-broker-counts-other-rupees",
    "order_contradicted": "the-broker-contradicts-an-order",
    "order_missing": "an-order-is-missing-at-the-broker",
    "outcome_unknown": "an-order-that-nobody-is-sure-of",
    "foreign_claim": "another-order-under-our-id",
    "cancel_ignored": "a-cancel-is-ignored",
    "row_unreadable": "a-row-of-the-broker-cannot-be-read",
    "login_needed": "a-login-is-needed",
    "exit_refused": "an-exit-is-refused",
    "exit_missed": "an-exit-found-nothing",
    "belief_differs": "an-alert-states-another-position",
    "exit_rests": "an-exit-rests",
    "exit_waits": "an-exit-waits-for-the-market",
    "exit_failed": "an-exit-has-failed",
    "order_reappeared": "an-order-turns-up-after-all",
    "leg_overfilled": "more-was-filled-than-asked-for",
    "duplicate_order": "two-broker-orders-for-one-of-ours",
    "fill_unwanted": "an-order-filled-after-its-end",
    "wrong_number": "the-broker-gave-a-wrong-number",
    "order_adopted": "an-order-was-missing-in-the-store",
    "outcome_lost": "an-outcome-is-lost",
    "service_down": _SERVICE,
    "service_silent": "a-service-is-silent",
    "broker_slow": "the-broker-is-slow",
    "reconciliation_failed": _BROKER,
    "reconciliation_old": _BROKER,
    "reconciliation_awaited": _BROKER,
    "alerts_wait": _WAITING,
    "orders_wait": _WAITING,
    "orders_old": "an-order-works-for-long",
    "instruments_missing": _INSTRUMENTS,
    "instruments_old": _INSTRUMENTS,
    "calendar_ends": "the-holidays-run-out",
    "trading_not_active": "trading-is-halted",
    "other_account_open": _OTHER_ACCOUNT,
}


def of_condition(kind: str) -> str:
    """Return where to read about a condition."""
    return f"{PAGE}#{CONDITIONS[kind]}"


def of_check(name: str) -> str:
    """Return where to read about what a check of the doctor found."""
    return f"{PAGE}#{SECTIONS[name]}"


def of_end(result: str, exit_status: str) -> str:
    """
    Return where to read about how a service ended.

    Args:
        result: systemd's word.

        exit_status: The number, or the signal's name.
    """
    if exit_status == str(EXIT_CONFIG):
        return f"{PAGE}#{_CONFIG}"
    if result == "oom-kill" or exit_status == str(EXIT_RENEW):
        return f"{PAGE}#{_MEMORY}"
    return f"{PAGE}#{_SERVICE}"
