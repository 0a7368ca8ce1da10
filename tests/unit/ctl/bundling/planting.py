"""Secrets in the forms in which they end up in logs, and what finds them again."""

import base64
import html
import json
import quopri
import re
import shlex
import urllib.parse
from collections.abc import Callable, Iterator

#: Of letters and figures, as openssl makes them.
SIMPLE = "hunter2Correct9Horse41Battery"
#: Of everything that is escaped somewhere.
HARD = "p%4A'q\"s\\t&u<v>w x+y/z=é#Q7m2"

Form = Callable[[str], str]


def _codes(secret: str) -> bytes:
    return secret.encode()


def _point(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else json.dumps(character)[1:-1]


def _base64_at(front: str) -> Form:
    return lambda secret: base64.b64encode(f"{front}{secret}.tail".encode()).decode()


def _split(by: str, every: int = 4) -> Form:
    return lambda secret: by.join(
        secret[at : at + every] for at in range(0, len(secret), every)
    )


def _wrapped(secret: str) -> str:
    coded = base64.b64encode(f"FA12345:{secret}".encode() * 2).decode()
    return "\n".join(coded[at : at + 20] for at in range(0, len(coded), 20))


def _jwt(secret: str) -> str:
    body = json.dumps({"sub": "FA12345", "pin": secret}).encode()
    coded = base64.urlsafe_b64encode(body).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{coded}.c2lnbmF0dXJl"


def _base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _octal(secret: str) -> str:
    plain = range(0x23, 0x7F)
    return "".join(
        chr(c) if c in plain and c != 0x5C else f"\\{c:03o}" for c in _codes(secret)
    )


def _hexdump(secret: str) -> str:
    codes = b"uid=FA&pw=" + _codes(secret)
    return "\n".join(
        f"{at:08x}  {codes[at : at + 16].hex(' ')}" for at in range(0, len(codes), 16)
    )


FORMS: dict[str, Form] = {
    "plain": str,
    "upper case": str.upper,
    "in quotes": lambda s: f"'{s}'",
    "repr": repr,
    "repr of bytes": lambda s: repr(_codes(s)),
    "repr of a dict": lambda s: repr({"q": [s]}),
    "json": lambda s: json.dumps({"q": s}),
    "json in json": lambda s: json.dumps({"body": json.dumps({"q": s})}),
    "json in json in json": lambda s: json.dumps(json.dumps({"b": json.dumps(s)})),
    "json of code points": lambda s: "".join(map(_point, s)),
    "json, some of it escaped": lambda s: f"{_point(s[0])}{json.dumps(s[1:])[1:-1]}",
    "bytes in hex escapes": lambda s: "".join(f"\\x{c:02x}" for c in _codes(s)),
    "query of a url": lambda s: (
        f"https://x.test/a?q={urllib.parse.quote(s, safe='')}&b"
    ),
    "form": lambda s: urllib.parse.urlencode({"q": s}),
    "path of a url": lambda s: f"https://x.test/bot{urllib.parse.quote(s)}/send",
    "user of a url": lambda s: f"https://u:{urllib.parse.quote(s, safe='')}@x.test/",
    "quoted twice": lambda s: urllib.parse.quote(
        urllib.parse.quote(s, safe=""), safe=""
    ),
    "every byte quoted": lambda s: "".join(f"%{c:02x}" for c in _codes(s)),
    "html": lambda s: html.escape(s),
    "html numbers": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "base64 alone": lambda s: base64.b64encode(_codes(s)).decode(),
    "base64 first": _base64_at(""),
    "base64 second": _base64_at("u"),
    "base64 third": _base64_at("us"),
    "basic header": lambda s: (
        "Basic " + base64.b64encode(f"FA12345:{s}".encode()).decode()
    ),
    "base64 for urls": lambda s: base64.urlsafe_b64encode(f"?>{s}?>".encode()).decode(),
    "base64, quoted": lambda s: urllib.parse.quote(
        base64.b64encode(f"me:{s}".encode()).decode(), safe=""
    ),
    "base64, wrapped": _wrapped,
    "hex": lambda s: _codes(s).hex(),
    "hex in capitals": lambda s: _codes(s).hex().upper(),
    "hex with colons": lambda s: _codes(s).hex(":"),
    "hex with blanks": lambda s: _codes(s).hex(" "),
    "hex of a list": lambda s: ", ".join(f"0x{c:02x}" for c in _codes(s)),
    "over lines": _split("\n"),
    "over lines with returns": _split("\r\n"),
    "over indented lines": _split("\n        "),
    "over lines with a backslash": _split("\\\n"),
    "over lines of a traceback": _split("\n    | "),
    "over lines, at each letter": _split("\n", 1),
    "over quoted lines": _split("'\n    '"),
    "with tabs": _split("\t"),
    "with blanks": _split(" ", 1),
    "hex over lines": lambda s: _split("\n    | ", 10)(_codes(s).hex()),
    "lower case": str.lower,
    "shell": lambda s: f"curl -u FA12345:{shlex.quote(s)} https://x.test",
    "repr of an object": lambda s: f"Login(user='FA12345', secret={s!r}, tries=1)",
    "sql": lambda s: "SET PASSWORD = '{}'".format(s.replace("'", "''")),
    "csv": lambda s: '1,"{}",x'.format(s.replace('"', '""')),
    "cookie": lambda s: f"Set-Cookie: t={urllib.parse.quote(s, safe='')}; HttpOnly",
    "bytes in a dict in json": lambda s: json.dumps({"sent": repr({"q": _codes(s)})}),
    "json as go writes it": lambda s: "".join(
        _point(c) if c in '<>&"\\' else c for c in s
    ),
    "json of code points in capitals": lambda s: "".join(
        _point(c).upper().replace("U", "u") for c in s
    ),
    "quoted in small letters": lambda s: re.sub(
        "%..", lambda m: m[0].lower(), urllib.parse.quote(s, safe="")
    ),
    "html numbers in hex": lambda s: "".join(f"&#x{ord(c):x};" for c in s),
    "octal escapes": _octal,
    "quoted printable": lambda s: quopri.encodestring(_codes(s)).decode().rstrip(),
    "base64 of json": lambda s: _base64_of(json.dumps({"q": s})),
    "base64 of a form": lambda s: _base64_of(urllib.parse.urlencode({"q": s})),
    "base64 twice": lambda s: _base64_of(_base64_of(s)),
    "token of json": _jwt,
    "hex with dashes": lambda s: _codes(s).hex("-"),
    "hex as one number": lambda s: f"0x{_codes(s).hex()}",
    "hexdump": _hexdump,
    "over lines of an answered mail": _split("\n> "),
    "over lines of a comment": _split("\n# "),
    "quoted over lines": lambda s: _split("\n", 9)(urllib.parse.quote(s, safe="")),
}


def shows(text: str, secret: str) -> bool:
    """
    Say whether *text* shows *secret*, by trying to read everything in it.

    It goes the other way than the search in the product, which makes each form.
    """
    # A secret may look like an escape itself, and is then read like one.
    wanted = {_core(each) for each in _readings(secret)}
    return any(
        any(core in _core(each) for core in wanted) or _in_codes(each, wanted)
        for each in _readings(text)
    )


def _core(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _readings(text: str) -> Iterator[str]:
    # As it is, and in one piece: an escape may be folded too.
    for each in (text, re.sub(r"\s(?:    \| )?", "", text)):
        yield from _unescaped(each)


def _unescaped(text: str) -> Iterator[str]:
    for _ in range(5):
        yield text
        text = urllib.parse.unquote_plus(html.unescape(text))
        yield text
        text = re.sub(
            r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([0-3][0-7]{2})|(.))",
            _meant,
            text,
            flags=re.DOTALL,
        )


def _meant(escape: re.Match[str]) -> str:
    if code := escape[1] or escape[2]:
        return chr(int(code, 16))
    return chr(int(escape[3], 8)) if escape[3] else escape[4]


def _in_codes(text: str, wanted: set[str]) -> bool:
    read = [quopri.decodestring(text.encode())]
    text = re.sub(r"^(.*?)\b[0-9a-f]{8}  ", r"\1", text, flags=re.MULTILINE)
    text = re.sub(r"[\s|\\\"',]|\\[nrt]", "", text)
    packed = text.replace("-", "+").replace("_", "/")
    for run in re.findall(r"[A-Za-z0-9+/]{12,}", packed):
        for at in range(4):
            piece = run[at:]
            once = base64.b64decode(piece + "A" * (-len(piece) % 4))
            read.append(once)
            inner = re.match(rb"[A-Za-z0-9+/]*", once)[0]  # type: ignore[index]
            read.append(base64.b64decode(inner + b"A" * (-len(inner) % 4)))
    packed = text.replace(":", "").replace("0x", "").replace("-", "")
    for run in re.findall(r"[0-9a-fA-F]{12,}", packed):
        for at in range(2):
            read.append(bytes.fromhex(run[at : at + (len(run) - at) // 2 * 2]))
    # All that is text in one, as there are thousands.
    together = "|".join(
        each.decode("latin-1") for each in read if re.search(b"[ -~]{8}", each)
    )
    cores = {_core(layer) for layer in _unescaped(together)}
    return any(core in each for core in wanted for each in cores)
