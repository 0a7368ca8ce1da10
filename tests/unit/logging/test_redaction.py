import json
import logging
import string
import urllib.parse
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shoonya_platform.logging import (
    bound_context,
    get_component_logger,
    setup_application_logging,
)
from shoonya_platform.logging.redaction import Redactor
from tests.unit.logging.support import FakeJournald

SECRET = "gR7-kPq2"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('jData={"uid":"U","pwd":"gR7-kPq2"}&jKey=gR7-kPq2', id="noren"),
        pytest.param("{'susertoken': 'gR7-kPq2', 'x': 1}", id="python-repr"),
        pytest.param("{b'pwd': b'gR7-kPq2'}", id="bytes-repr"),
        pytest.param('{"factor2": "gR7-kPq2"}', id="json"),
        pytest.param('{"body": "{\\"pwd\\": \\"gR7-kPq2\\"}"}', id="json-in-json"),
        pytest.param('{"secret": "ab\\"gR7-kPq2"}', id="json-escaped-quote"),
        pytest.param('{\\"secret\\": \\"ab\\\\\\"gR7-kPq2\\"}', id="escaped-twice"),
        pytest.param('{"pwd": "cut off gR7-kPq2', id="no-closing-quote"),
        pytest.param("https://x/?access_token=gR7-kPq2&x=1", id="query-string"),
        pytest.param("%7B%22pwd%22%3A%22gR7-kPq2%22%7D", id="percent-encoded"),
        pytest.param("password=gR7-kPq2", id="key-value"),
        pytest.param("password: gR7-kPq2", id="yaml"),
        pytest.param("password = 'two words gR7-kPq2'", id="quoted-value"),
        pytest.param("Login(uid='U', appkey='gR7-kPq2')", id="dataclass"),
        pytest.param("{'pwd': ['gR7-kPq2']}", id="parse-qs"),
        pytest.param("Authorization: Bearer gR7-kPq2", id="header"),
        pytest.param("Authorization: gR7-kPq2", id="header-without-scheme"),
        pytest.param('{"authorization": "Basic gR7-kPq2"}', id="header-json"),
        pytest.param("[(b'authorization', b'Bearer gR7-kPq2')]", id="header-tuple"),
        pytest.param("Authorization: Digest x, response=gR7-kPq2", id="digest"),
        pytest.param("SECRET_KEY=gR7-kPq2", id="upper-case"),
        pytest.param("X-Access-Token: gR7-kPq2", id="hyphens"),
        pytest.param("client_secret=gR7-kPq2", id="longer-name"),
        pytest.param('{"factor2":gR7-kPq2}', id="not-quoted"),
    ],
)
def test_value_behind_a_telling_name_is_taken_out(text):
    cleaned = Redactor().clean(text)

    assert SECRET not in cleaned
    assert "***" in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "instrument token=26009 tick 0.05",
        "{'token': '26009', 'exch': 'NSE'}",
        "password changed",
        "the secretary of the exchange = new",
        "the key of the order is O-1",
        "authorization failed",
        "access token expired, logging in again",
    ],
)
def test_text_without_secrets_is_left_alone(text):
    assert Redactor(["gR7-kPq2"]).clean(text) == text


def test_what_stands_around_a_secret_is_left_alone():
    text = '{"uid": "U", "pwd": "x", "qty": 5} jKey=abc&next=1'

    cleaned = Redactor().clean(text)

    assert cleaned == '{"uid": "U", "pwd": "***", "qty": 5} jKey=***&next=1'


def test_longer_secret_is_not_spoilt_by_a_shorter_one():
    assert Redactor(["abcd", "abcdefgh"]).clean("x abcdefgh") == "x ***"


@pytest.mark.parametrize("secret", ["", "abc", "****"])
def test_value_that_would_blot_out_the_log_is_ignored(secret):
    assert Redactor([secret]).clean("abc **** x") == "abc **** x"


def test_secret_read_from_a_file_is_known_without_its_line_break():
    assert Redactor(["gR7-kPq2\n"]).clean("x gR7-kPq2 y") == "x *** y"


def test_each_line_of_a_key_file_is_secret():
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n"

    assert "MIIEvQIBADANBg" not in Redactor([key]).clean("  | MIIEvQIBADANBg")


class Recording(logging.Handler):
    """Some other handler in the process."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


def test_other_handlers_get_the_clean_record(tmp_path):
    setup_application_logging(
        tmp_path, journal=False, console=False, secrets=[SECRET], level="INFO"
    )
    other = Recording()
    logger = logging.getLogger("RISK_MANAGER")
    logger.addHandler(other)
    try:
        raise ValueError(SECRET)
    except ValueError:
        get_component_logger("risk_manager").exception(
            "pwd=%s", "hunter", stack_info=True, note=SECRET, extra={"password": "x"}
        )
        logger.exception("%s", SECRET, extra={"note": {"a": SECRET}})
    finally:
        logger.removeHandler(other)

    for record in other.records:
        seen = repr(vars(record)) + logging.Formatter().format(record)
        assert SECRET not in seen
        assert "hunter" not in seen
        assert record.args == ()
    assert vars(other.records[0])["password"] == "***"


def test_names_are_known_before_set_up():
    other = Recording()
    logger = get_component_logger("risk_manager")
    logger.logger.addHandler(other)
    try:
        logger.warning("pwd=hunter2")
    finally:
        logger.logger.removeHandler(other)

    assert other.records[0].getMessage() == "pwd=***"


def test_one_secret_instead_of_a_list_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="list"):
        setup_application_logging(tmp_path, secrets="hunter2")


class Thing:
    def __init__(self, secret):
        self.secret = secret

    def __repr__(self):
        return f"Thing(token={self.secret!r})"


def raise_with(secret):
    try:
        raise KeyError(secret)
    except KeyError as e:
        error = ValueError("outer " + secret)
        error.add_note("note " + secret)
        raise error from e


WAYS = {
    "message": lambda log, s: log.info(s),
    "argument": lambda log, s: log.info("a %s b", s),
    "repr": lambda log, s: log.info("%r", s),
    "glued": lambda log, s: log.info("a%sb", s),
    "mapping": lambda log, s: log.info("%(x)s", {"x": s}),
    "nested": lambda log, s: log.info("%s", {"a": [{"b": (s, 1)}]}),
    "key": lambda log, s: log.info("%s", {s: 1}),
    "bytes": lambda log, s: log.info("%s", [s.encode("utf-8", "surrogatepass")]),
    "json": lambda log, s: log.info(json.dumps({"a": s})),
    "json-utf8": lambda log, s: log.info(json.dumps({"a": s}, ensure_ascii=False)),
    "json-repr": lambda log, s: log.info("%s", [json.dumps({"a": s})]),
    "object": lambda log, s: log.info("%s", Thing(s)),
    "objects": lambda log, s: log.info("%s", [Thing(s)]),
    "quoted": lambda log, s: log.info(urllib.parse.quote(s, errors="replace")),
    "urlencoded": lambda log, s: log.info(
        urllib.parse.urlencode({"a": s}, errors="replace")
    ),
    "wrong arguments": lambda log, s: log.info("%d", s),
    "too many": lambda log, s: log.info("x", s, [s]),
    "not a string": lambda log, s: log.info({"a": s}),
    "field": lambda log, s: log.info("x", value=s),
    "nested field": lambda log, s: log.info("x", value={"a": [s]}),
    "extra": lambda log, s: log.info("x", extra={"VALUE": s}),
    "field name": lambda log, s: log.info("x", extra={s: 1}),
    "bound": lambda log, s: log.bind(value=s).info("x"),
    "message id": lambda log, s: log.info("x", message_id=s),
    "exception field": lambda log, s: log.info("x", error=ValueError(s)),
    "standard": lambda log, s: log.logger.info("%s", s, extra={"a": s}),
    "library": lambda log, s: logging.getLogger("lib").warning("%s", s),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("redaction")


secrets = (
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=30),
        st.text(string.printable, min_size=4, max_size=20),
        st.text("ab'\"\\\n= |", min_size=4, max_size=12),
    )
    .map(str.strip)
    .filter(lambda secret: len(secret) >= 4)
)


@settings(
    max_examples=150,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)
@given(
    secret=secrets, others=st.lists(secrets, max_size=2), way=st.sampled_from([*WAYS])
)
def test_known_secret_is_in_neither_copy(place, secret, others, way):
    everything = write_and_read(place, [secret, *others], WAYS[way], secret)
    # Words of the frame itself, or of the test, are no secrets.
    frame = write_and_read(place, [], WAYS[way], "<placeholder>")
    assume(secret not in frame.replace("<placeholder>", "") + "***")
    assume(not any(other in frame for other in others if len(other) >= 4))

    assert secret not in everything


@settings(max_examples=60)
@given(secret=secrets)
def test_known_secret_is_in_no_traceback(place, secret):
    def way(log, value):
        try:
            raise_with(value)
        except ValueError:
            log.exception("x", stack_info=True)
            with bound_context(value=value):
                log.info("x", exc_info=True)

    frame = write_and_read(place, [], way, "<placeholder>")
    assume(secret not in frame)

    assert secret not in write_and_read(place, [secret], way, secret)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "secret",
    [
        "gR7kPq2Zz",
        """ab"'gR7kPq2Zz'""",
        "\\ä=&gR7kPq2Zz/\n\t ß",
        "€$'gR7kPq2Zz",
        'a"b\x01gR7kPq2Zz',
    ],
    ids=["plain", "quotes", "escapes", "one-quote", "control"],
)
def test_known_secret_is_taken_out_in_every_spelling(place, way, secret):
    everything = write_and_read(place, [secret], WAYS[way], secret)

    # Not even what is left of it when all that has to be escaped is.
    assert "gr7kpq2zz" not in everything.casefold()


def write_and_read(place: Path, secrets, way, value) -> str:
    """Return both copies as text, the journal's fields one by one."""
    directory = place / uuid.uuid4().hex
    directory.mkdir()
    fake = FakeJournald(directory / "s")
    try:
        setup_application_logging(
            directory,
            component="risk_manager",
            journal=str(fake.path),
            console=False,
            secrets=secrets,
            run_id="R",
        )
        way(get_component_logger("risk_manager"), value)
        found = [(directory / "risk_manager.log").read_text("utf-8")]
        for entry in fake.entries():
            del entry["CODE_FILE"]
            found += [f"{name}={text}" for name, text in entry.items()]
    finally:
        fake.stop()
    return "\n".join(found)


@given(
    secret=st.text(min_size=4, max_size=12).filter(lambda text: text.strip() == text),
    before=st.text(max_size=20),
    behind=st.text(max_size=20),
)
def test_first_look_finds_a_secret_wherever_it_stands(secret, before, behind):
    assume(secret.strip("*"))

    assert Redactor([secret]).suspects(before + secret + behind)
