"""
Finds secrets in bytes, in whatever form they were printed.

A text is looked at as it is, and with its escapes undone (JSON, repr, shell, URL,
HTML, mail) and the heads of its records taken off, up to three times; each time
without white space, quotes and the `    | ` of a traceback, so that a secret that was
folded is found.  So is the journal with the entries of each process together.
There each secret is sought as itself, in base64 at each of the three places it may
begin at within a longer text, in base64 of that, and in hex.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from shoonya_platform.ctl.bundling.gathering import ENTRY_HEAD, by_process
from shoonya_platform.logging.redaction import (
    MINIMUM_SECRET_LENGTH,
    REPLACEMENT,
    spellings,
)

_ROUNDS = 3
#: Fewer letters of what was coded twice stand anywhere by chance.
_SHORTEST_TWICE = 8
#: After so many passes a text that still shows a secret is not worth keeping.
_MOST_PASSES = 8
# What may stand between the characters of something folded or quoted.
_JUNK = b" \t\r\n\v\f|\\\"'#>"
_HEX_JUNK = b":,-"
_URLSAFE = bytes.maketrans(b"-_", b"+/")
_ENCODED = re.compile(
    rb"%[0-9A-Fa-f]{2}"
    rb"|(?:\\u[0-9A-Fa-f]{4})+|\\U[0-9A-Fa-f]{8}|\\x[0-9A-Fa-f]{2}"
    rb"|\\[0-3][0-7]{2}|\\[\\\"'/nrtbf]"
    rb"|=(?:[0-9A-F]{2}|\r?\n)"
    rb"|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos);"
    # What stands between two records, or two entries of the journal: whoever printed
    # a secret line by line made one of each line.
    rb"|(?: \|[^|\n]{0,500} run=[^ \n]+ seq=[0-9]+)?\n"
    rb"(?:" + ENTRY_HEAD + rb"|20\d\d-\d\d-\d\d [0-9:.]{12} \| [A-Z]+ *\| [^ \n]+ *\| )"
    # What stands between two lines of a hexdump.
    rb"|(?: +\|[^\n]{1,16}\|)?\n[ |#>]{0,8}[0-9a-f]{8}  "
)
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_TOKENS = {
    "base64": frozenset(
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-"
    ),
    "hex": frozenset(b"0123456789abcdefABCDEF"),
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A secret that was found: its name, and the form it was in."""

    name: str
    form: str  #: plain, base64 or hex


class Seeker:
    """
    Looks for known secrets.

    Args:
        secrets: The values by name; those shorter than four characters are ignored.
    """

    def __init__(self, secrets: Mapping[str, Collection[str]]) -> None:
        self._needles: dict[str, dict[bytes, str]] = {
            "plain": {},
            "base64": {},
            "hex": {},
        }
        for name, values in secrets.items():
            for value in values:
                self._learn(name, value)
        self._needles = {form: _shortest(n) for form, n in self._needles.items()}
        longest = max((len(n) for by in self._needles.values() for n in by), default=0)
        #: So many bytes two pieces of a text must share, for nothing to be missed.
        self.overlap = max(1 << 16, 16 * longest)

    def find(self, text: bytes) -> Iterator[Hit]:
        """Yield each secret that *text* shows, once for each form."""
        seen = set()
        gathered = b"".join(text[begin:end] for begin, end in by_process(text))
        for layer in chain(_layers(text), _layers(gathered)):
            for form, sieved in _sieved(layer).items():
                for needle, name in self._needles[form].items():
                    hit = Hit(name, form)
                    if hit not in seen and needle in sieved:
                        seen.add(hit)
                        yield hit

    def blot(self, text: bytes) -> tuple[bytes, int]:
        """
        Return *text* without any secret, and how many were taken out.

        Slow, as it keeps count of where each byte came from: for single records.
        """
        count = 0
        for _ in range(_MOST_PASSES):
            if not any(self.find(text)):
                return text, count
            spans = list(_joined(self._spans(text)))
            # From the end, as what lies before keeps its place.
            for begin, end in reversed(spans):
                text = text[:begin] + REPLACEMENT.encode() + text[end:]
            count += len(spans)
        if any(self.find(text)):
            return REPLACEMENT.encode(), count + 1
        return text, count

    def _learn(self, name: str, value: str) -> None:
        for spelling in spellings(value):
            raw = _raw(spelling)
            for needle in _base64(raw):
                self._needles["base64"][needle] = name
                for again in _base64(needle):
                    if len(again) >= _SHORTEST_TWICE:
                        self._needles["base64"][again] = name
            self._needles["hex"][raw.hex().encode()] = name
            for case in (spelling, spelling.upper(), spelling.replace(" ", "+")):
                # As escapes are undone whosever they are, so are those that look like
                # some in the secret itself.
                for layer in _layers(_raw(case)):
                    squeezed = layer.lower().translate(None, _JUNK)
                    if len(squeezed) >= MINIMUM_SECRET_LENGTH:
                        self._needles["plain"][squeezed] = name
        # As the name of a field, where only such characters are allowed.
        as_name = re.sub("[^a-z0-9_]", "_", value.strip().lower())
        if len(as_name.strip("_")) >= MINIMUM_SECRET_LENGTH:
            self._needles["plain"][as_name.encode()] = name

    def _spans(self, text: bytes) -> Iterator[tuple[int, int]]:
        for places in _placed_layers(text):
            for form, needles in self._needles.items():
                sieved = places.sieved(form)
                for needle in needles:
                    for begin, end in sieved.spans_of(needle, text):
                        yield _whole_token(text, begin, end, form)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A text, and where each of its bytes stood in the one it was made from."""

    text: bytes
    starts: list[int]
    ends: list[int]

    @classmethod
    def of(cls, text: bytes, pieces: Iterable[tuple[int, int]]) -> _Placed:
        """Return these *pieces* of a text, one behind the other."""
        starts = [at for begin, end in pieces for at in range(begin, end)]
        moved = bytes(text[at] for at in starts)
        return cls(moved, starts, [at + 1 for at in starts])

    def spans_of(self, needle: bytes, original: bytes) -> Iterator[tuple[int, int]]:
        """Yield where *needle* stood in the original, without lines of others."""
        at = self.text.find(needle)
        while at >= 0:
            end = at + len(needle)
            begin = self.starts[at]
            for place in range(at + 1, end):
                before, here = self.ends[place - 1], self.starts[place]
                if original.count(b"\n", before, here) > 1:
                    yield begin, before
                    begin = here
            yield begin, self.ends[end - 1]
            at = self.text.find(needle, end)

    def decoded(self) -> _Placed:
        made, starts, ends = bytearray(), list[int](), list[int]()
        last = 0
        for match in _ENCODED.finditer(self.text):
            begin, end = match.span()
            made += self.text[last:begin]
            starts += self.starts[last:begin]
            ends += self.ends[last:begin]
            new = _decoded(match)
            made += new
            starts += [self.starts[begin]] * len(new)
            ends += [self.ends[end - 1]] * len(new)
            last = end
        return _Placed(
            bytes(made + self.text[last:]),
            starts + self.starts[last:],
            ends + self.ends[last:],
        )

    def sieved(self, form: str) -> _Placed:
        text = self.text.translate(_URLSAFE) if form == "base64" else self.text.lower()
        junk = _JUNK + (_HEX_JUNK if form == "hex" else b"")
        kept = [place for place, byte in enumerate(text) if byte not in junk]
        if form == "hex":
            squeezed = bytes(text[place] for place in kept)
            for match in reversed(list(re.finditer(b"0x", squeezed))):
                del kept[match.start() : match.end()]
        return _Placed(
            bytes(text[place] for place in kept),
            [self.starts[place] for place in kept],
            [self.ends[place] for place in kept],
        )


def _placed_layers(text: bytes) -> Iterator[_Placed]:
    for lines in ([(0, len(text))], by_process(text)):
        places = _Placed.of(text, lines)
        for _ in range(_ROUNDS + 1):
            yield places
            places = places.decoded()


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans in order, those that overlap or touch as one."""
    last: tuple[int, int] | None = None
    for begin, end in sorted(spans):
        if last is not None and begin <= last[1]:
            last = last[0], max(last[1], end)
            continue
        if last is not None:
            yield last
        last = begin, end
    if last is not None:
        yield last


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _shortest(needles: dict[bytes, str]) -> dict[bytes, str]:
    """Leave out those that contain another one: where they are, it is."""
    kept: dict[bytes, str] = {}
    for needle in sorted(needles, key=len):
        if not any(other in needle for other in kept):
            kept[needle] = needles[needle]
    return kept


def _layers(text: bytes) -> Iterator[bytes]:
    yield text
    for _ in range(_ROUNDS):
        decoded = _ENCODED.sub(_decoded, text)
        if decoded == text:
            return
        text = decoded
        yield text


def _sieved(text: bytes) -> dict[str, bytes]:
    squeezed = text.translate(None, _JUNK)
    lower = squeezed.lower()
    return {
        "plain": lower,
        "base64": squeezed.translate(_URLSAFE),
        "hex": lower.translate(None, _HEX_JUNK).replace(b"0x", b""),
    }


def _decoded(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if found[:1] in (b" ", b"\n") or found[-1:] == b"\n":
        return b""
    if found[:1] == b"&":
        return html.unescape(found.decode()).encode("utf-8", "replace")
    if found[:2] == b"\\u":
        units = bytes.fromhex(found.replace(b"\\u", b"").decode())
        return units.decode("utf-16-be", "replace").encode()
    if found[:2] == b"\\U":
        code = int(found[2:], 16)
        return chr(code).encode("utf-8", "replace") if code < 0x110000 else found
    if found[:1] in (b"%", b"=") or found[:2] == b"\\x":
        return bytes.fromhex(found[-2:].decode())
    if found[1:].isdigit():
        return bytes([int(found[1:], 8)])
    return _CONTROLS.get(found[1:], found[1:])


def _base64(raw: bytes) -> Iterator[bytes]:
    """Yield what is the same in the base64 of any text that contains *raw*."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw)
        # Six bits a character: the first and the last may hold a neighbour's bits.
        begin = -(-before * 8 // 6)
        end = (before + len(raw)) * 8 // 6
        if end - begin >= MINIMUM_SECRET_LENGTH:
            yield coded[begin:end]


def _whole_token(text: bytes, begin: int, end: int, form: str) -> tuple[int, int]:
    """Widen to all of a header: beside the secret it has the user's name."""
    token = _TOKENS.get(form, frozenset())
    while begin > 0 and text[begin - 1] in token:
        begin -= 1
    while end < len(text) and text[end] in token:
        end += 1
    return begin, end
