"""
The dashboard's password: only its Argon2 hash is ever kept.

The library is loaded where a password is at hand, as few processes ever see one.
"""

from __future__ import annotations

from shoonya_platform.errors import ConfigError, NotAllowed

MINIMUM_LENGTH = 10
#: Longer ones would only cost time.
MAXIMUM_LENGTH = 256

# What OWASP recommends where memory is scarce: a twentieth of a second in 12 MB.
_PASSES = 3
_MEMORY_KIB = 12 << 10


def hash_password(password: str) -> str:
    """
    Return what may be kept instead of the password.

    Raises:
        NotAllowed: It is too short or too long.
    """
    from argon2 import PasswordHasher

    if not MINIMUM_LENGTH <= len(password) <= MAXIMUM_LENGTH:
        raise NotAllowed(
            f"a password has {MINIMUM_LENGTH} to {MAXIMUM_LENGTH} characters, "
            f"this one has {len(password)}"
        )
    return PasswordHasher(
        time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1
    ).hash(password)


def check_hash(text: str) -> None:
    """
    Make sure that *text* is a hash of ours and not the password itself.

    Raises:
        ConfigError: It is something else.
    """
    from argon2 import extract_parameters
    from argon2.exceptions import InvalidHashError

    try:
        extract_parameters(text)
    except InvalidHashError as e:
        raise ConfigError(
            "the secret 'dashboard_password_hash' is not an Argon2 hash",
            hint="make one: shoonyactl dashboard password",
        ) from e


def is_password(kept: str, password: str) -> bool:
    """Say whether *password* is the one whose hash was kept; takes its time."""
    from argon2 import PasswordHasher
    from argon2.exceptions import VerifyMismatchError

    if len(password) > MAXIMUM_LENGTH:
        return False
    try:
        return PasswordHasher().verify(kept, password)
    except VerifyMismatchError:
        return False
