"""
Other names for accounts and people: the same one for the same one, wherever it is.

They are made with a random key that is thrown away, so nobody can try all client ids
until one fits; but what belongs together still does.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

_LONG = 6  # characters
_MADE = r"(?!(?:account|person|mail)-[0-9a-f]{8})"
# What may stand in front: not a letter or a figure, unless they belong to an escape.
_FRONT = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))"
_QUOTE = r"(?:\\*[\"']|%22)?"
_IS = rf"{_QUOTE}\s*(?:=|:|%3[AaDd])\s*"
# An account's id in our words and the broker's.
_ACCOUNT_NAMES = """
    actid uid vendorcode vendor_code userid user_id accountid account_id
    clientid client_id
""".split()  # noqa: SIM905 - a line each, as a list, would be half a page
_PERSON_NAMES = """
    uname email mobile m_num fullname full_name actname act_name accname acc_name
    cliname cli_name
""".split()  # noqa: SIM905 - the same
#: Behind these an `@` is a systemd unit and no mail address.
_UNITS = "service|target|socket|timer|path|slice|scope|mount|automount|swap|device"


_PERSON_WORDS = "|".join(_PERSON_NAMES)
_QUOTED_PERSON = re.compile(
    rf"(?P<head>\b(?:{_PERSON_WORDS}){_IS}(?P<q>\\*[\"']))"
    rf"{_MADE}(?P<id>(?:(?!(?P=q)).)+)",
    re.IGNORECASE,
)
_BARE_PERSON = re.compile(
    rf"(?P<head>\b(?:{_PERSON_WORDS}){_IS}|\btelegram:)"
    rf"{_MADE}(?P<id>[^\s\"'\\,;&)}}\]]+)",
    re.IGNORECASE,
)
_MAIL = re.compile(
    rf"(?P<head>{_FRONT}){_MADE}(?P<id>[A-Za-z0-9._+-]+(?:@|%40)"
    rf"(?:[A-Za-z0-9-]+\.)+(?!(?:{_UNITS})(?![A-Za-z0-9]))[A-Za-z]{{2,}})"
    r"(?![A-Za-z0-9])"
)
# Not within an order's id.
_CLIENT_ID = re.compile(
    rf"(?P<head>{_FRONT})(?<!O\d{{6}}-)(?P<id>F[AN]\d{{4,7}})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_NAMED_ACCOUNT = re.compile(
    rf"(?P<head>\b(?:{'|'.join(_ACCOUNT_NAMES)}){_IS}{_QUOTE})"
    rf"{_MADE}(?P<id>[A-Za-z]{{1,6}}\d{{2,}})",
    re.IGNORECASE,
)


class Pseudonyms:
    """
    Replaces what names an account or a person.

    Args:
        key: Random, and kept nowhere.

        accounts: Client ids that are known.

        people: What is known of people: a messenger's numbers, for example.

    Attributes:
        replaced: How often, by kind: account, person, mail.
    """

    def __init__(
        self, key: bytes, accounts: Iterable[str], people: Iterable[str]
    ) -> None:
        self._key = key
        self._names: dict[str, set[str]] = {}
        self.replaced: Counter[str] = Counter()
        accounts, people = sorted(accounts), sorted(people)
        # What a text must have somewhere, in lower case, for a rule to be tried: most
        # have none of it, and looking for words costs far less than the rules do.
        self._rules: list[tuple[str, Sequence[str], re.Pattern[str]]] = [
            # Names and mails behind a field's name, quoted or bare.
            ("person", _PERSON_NAMES, _QUOTED_PERSON),
            ("person", (*_PERSON_NAMES, "telegram:"), _BARE_PERSON),
            ("mail", ("@", "%40"), _MAIL),
            ("person", [each.lower() for each in people], _exactly(people)),
            ("account", [each.lower() for each in accounts], _exactly(accounts)),
            ("account", [f"f{a}{n}" for a in "an" for n in range(10)], _CLIENT_ID),
            ("account", _ACCOUNT_NAMES, _NAMED_ACCOUNT),
        ]

    def replace(self, text: str) -> str:
        """Return *text* with pseudonyms."""
        lower = text.lower()
        for kind, hints, rule in self._rules:
            if any(hint in lower for hint in hints):
                text = rule.sub(partial(self._other, kind), text)
        return text

    def different(self) -> dict[str, int]:
        """Return how many different accounts, people and mails there were."""
        return {kind: len(names) for kind, names in sorted(self._names.items())}

    def _other(self, kind: str, match: re.Match[str]) -> str:
        # Written in any way, it is the same one.
        found = match["id"].replace("%40", "@").casefold()
        self.replaced[kind] += 1
        if "@" in found:
            kind = "mail"
        digest = hmac.digest(self._key, found.encode(), hashlib.sha256).hex()[:8]
        self._names.setdefault(kind, set()).add(digest)
        return f"{match['head']}{kind}-{digest}"


def _exactly(known: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted({each for each in known if each}, key=len, reverse=True)
    # A short one may be part of a word.
    words = [
        re.escape(each) if len(each) >= _LONG else rf"\b{re.escape(each)}\b"
        for each in longest_first
    ]
    either = "|".join(words) or r"(?!)"
    return re.compile(rf"(?P<head>)(?P<id>{either})(?!\d)", re.IGNORECASE)
