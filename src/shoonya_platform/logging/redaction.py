"""
Secrets are taken out of a record before any handler sees it.

A filter and not a formatter does it, because handlers send more than the
formatted text: raw arguments, extra fields, exceptions.  After the filter the
record's message is final text without arguments.

The common case costs one search.  What looks suspicious is gone over twice: for
the secret values we were told, in every spelling in which they may be printed,
then for what stands behind a name such as `pwd`.  In doubt too much goes.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator

REPLACEMENT = "***"
#: A shorter value would blot out words of the log itself.
MINIMUM_SECRET_LENGTH = 4

# The name's parts that betray it: the cheap first look, on casefolded text.
_HINTS = (
    "jkey",
    "token",
    "pwd",
    "factor2",
    "appkey",
    "app_key",
    "app-key",
    "secret",
    "passw",
    "authorization",
)
_NAMES = (
    r"jkey|susertoken|(?:access|refresh)[_-]?token|pwd|factor2|app[_-]?key"
    r"|secret(?:[_-]?key)?|password|passwd"
)
# {"pwd": "x"}  {'pwd': b'x'}  {\"pwd\": \"x\"}  pwd=x  pwd='x'  pwd: x
# ('authorization', 'x')  %22pwd%22%3A%22x%22
_SEPARATOR = (
    r"(?:\\*[\"'])?\s*(?:=>|[=:])\s*"
    r"|\\*[\"']\s*,\s*"
    r"|(?:%22|%27)?(?:\+|%20)*%3[AaDd](?:\+|%20)*"
)
# As many backslashes before the closing quote as before the opening one; any
# more, and the quote is part of the value.  Without a closing quote: to the end.
_QUOTED = r"b?(?P<{q}>\\*[\"'])(?:(?!(?<!\\)(?P={q})).)+"
_FIELD = re.compile(
    rf"(?P<name>(?:{_NAMES})(?:{_SEPARATOR}))"
    rf"(?:{_QUOTED.format(q='q1')}|[\[({{][^\])}}]*|%2[27](?:(?!%2[27])[^\s&])+|[^\s&]+)"
    rf"|(?P<header>authorization(?:{_SEPARATOR}))"
    rf"(?:{_QUOTED.format(q='q2')}|[\[({{][^\])}}]*"
    r"|(?:bearer|basic|token)(?:\s|%20|\+)+\S+|[^\r\n]+)",
    re.IGNORECASE | re.DOTALL,
)
# What logs are made of, the commonest first; what is none of these is rarest.
_RARITY = {
    character: place
    for place, character in enumerate(
        " etaoinsr0123456789=._-hld|:cum,gpfy\"'/wbvkxjqz"
    )
}
_SECRET_NAME = re.compile(rf"(?:{_NAMES}|authorization)\Z", re.IGNORECASE)


class Redactor:
    """
    Knows what must not be seen, and takes it out of text.

    Args:
        secrets:
            Values known to be secret, without the white space around them.
            Those shorter than four characters are ignored.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted(
            {s for secret in secrets for s in spellings(secret)},
            key=len,
            reverse=True,  # a secret that begins another one must not hide its rest
        )
        self._values = re.compile("|".join(map(re.escape, known))) if known else None
        # Casefolding is done character by character (lower() is not), so what is
        # contained in a text is contained in the casefolded one.
        folded = {spelling.casefold() for spelling in known}
        # As the name of a field.
        folded |= {re.sub("[^a-z0-9_]", "_", spelling.lower()) for spelling in known}
        self._suspicion = _any_of(folded.union(_HINTS))
        self._folded = _any_of(folded) if folded else None

    def suspects(self, text: str) -> bool:
        """Say whether `clean` might change *text*; never wrongly no."""
        return self._suspicion.search(text.casefold()) is not None

    def clean(self, text: str) -> str:
        """Return *text* without secrets."""
        if not self.suspects(text):
            return text
        if self._values is not None:
            text = self._values.sub(REPLACEMENT, text)
        return _FIELD.sub(_without_value, text)

    def clean_field(self, name: str, value: str) -> tuple[str, str]:
        """Return name and value of a context field without secrets."""
        if _SECRET_NAME.search(name):
            return name, REPLACEMENT
        return self.clean_name(name), self.clean(value)

    def clean_name(self, name: str) -> str:
        """Return *name*, or another one if it is itself a secret."""
        # Names are written in lower case in one copy, in upper case in the other.
        if self._folded is not None and self._folded.search(name.casefold()):
            return "redacted"
        return name


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Return what finds any of *texts*, quickly where there is none."""
    needed: list[str] = []
    for text in sorted(texts, key=len):
        # Who finds the shorter one has found the longer.
        if not any(shorter in text for shorter in needed):
            needed.append(text)
    return re.compile("|".join(map(_from_its_rarest, needed)))


def _from_its_rarest(text: str) -> str:
    """Return a pattern for *text* that begins where few places of a log do."""
    at = max(range(len(text)), key=lambda i: _RARITY.get(text[i], len(_RARITY)))
    # The letter stands alone in front: so the engine skips all places without it.
    begin = re.escape(text[at])
    return f"{begin}(?<={re.escape(text[: at + 1])}){re.escape(text[at + 1 :])}"


def _without_value(match: re.Match[str]) -> str:
    head = match["name"] or match["header"]
    quote = match["q1"] or match["q2"] or ""
    # The closing quote was not consumed.
    return f"{head}{quote}{REPLACEMENT}"


def spellings(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret may be printed, itself first."""
    # One that was read from a file often still has its line break.
    secret = secret.strip()
    if len(secret) < MINIMUM_SECRET_LENGTH or not secret.strip("*"):
        return
    yield secret
    forms = {secret}
    # Twice: a JSON text inside a dict that is printed is escaped twice.
    for _ in range(2):
        forms |= {other for form in forms for other in _escaped(form)}
    yield from forms
    # Each line of a key file is a secret: tracebacks indent line by line.
    lines = [line for line in secret.splitlines() if len(line) >= 8]
    if len(lines) > 1:
        yield from lines


def _escaped(text: str) -> Iterator[str]:
    # repr() escapes a single quote only where the text around has both kinds.
    both = text + "'\""
    encoded = text.encode("utf-8", "backslashreplace")
    for printed, surplus in (
        (repr(text), 1),
        (repr(both), 4),
        (ascii(both), 4),
        (repr(encoded)[1:], 1),
        (repr(both.encode("utf-8", "backslashreplace"))[1:], 4),
        (json.dumps(text), 1),
        (json.dumps(text, ensure_ascii=False), 1),
    ):
        yield printed[1:-surplus]
    yield urllib.parse.quote(encoded, safe="")
    yield urllib.parse.quote(encoded)
    yield urllib.parse.quote_plus(encoded)
