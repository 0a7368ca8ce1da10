"""What holds for every verb: help, examples, exit codes, one JSON document."""

import re

import click
import pytest

from shoonya_platform import errors
from shoonya_platform.ctl.main import VERBS, cli
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.errors import ShoonyaError
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import store_order

#: What each class of errors ends with, as documented in `shoonyactl --help` and in
#: docs; what is 1 has no more to say to a script than "failed".
EXIT_CODES = {
    "ShoonyaError": 1,
    "NotAllowed": 1,
    "AlreadyRunning": 1,
    "NotRunning": 3,
    "NotFound": 4,
    "ConfigError": 10,
    "SecretMissing": 11,
    "OtherAccount": 15,
    "StoreError": 12,
    "StoreBusy": 13,
    "StoreDamaged": 14,
    "BrokerError": 20,
    "BrokerUnavailable": 21,
    "LoginNeeded": 21,
    "BrokerRejected": 22,
    "OutcomeUnknown": 23,
    "BundleRefused": 50,
    "AlertRefused": 30,
    "Denied": 31,
    "NothingFilled": 32,
    "WaitedTooLong": 124,
}
DOCUMENTED = {
    "0": "done",
    "1": "failed",
    "2": "wrong usage",
    "3": "not running",
    "4": "no such service or order",
    "10-19": "configuration and store",
    "20-29": "broker",
    "30-39": "risk",
    "40-41": "log records missing",
    "50": "a secret found in a bundle",
    "124": "waited too long",
}


def commands(group: click.Group, *path: str):
    """Yield every verb below a group, with the words that lead to it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


LEAVES = [
    pytest.param(path, command, id=" ".join(path)) for path, command in commands(cli)
]


def tree(kind: type[ShoonyaError] = ShoonyaError) -> list[type[ShoonyaError]]:
    """Return the errors of `errors.py`, whatever else a test has imported."""
    below = [found for each in kind.__subclasses__() for found in tree(each)]
    return [kind, *below] if kind.__module__ == errors.__name__ else below


# -- help ----------------------------------------------------------------------


@pytest.mark.parametrize(("path", "command"), LEAVES)
def test_help_of_each_verb_has_an_example_of_itself(ctl, path, command):
    result = ctl(*path, "--help")

    assert result.code == 0
    assert result.err == ""
    _, _, examples = result.out.partition("Example")
    assert f"shoonyactl {' '.join(path)}" in examples
    assert "\f" not in result.out


@pytest.mark.parametrize(("path", "command"), LEAVES)
def test_first_line_of_help_is_a_sentence_that_fits_a_line(path, command):
    first = (command.help or "").strip().splitlines()[0]

    assert first[0].isupper()
    assert first.endswith(".")
    assert len(first) <= 75


@pytest.mark.parametrize(("path", "command"), LEAVES)
def test_each_option_of_each_verb_says_what_it_does(path, command):
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name


def test_overview_names_each_verb_in_the_words_of_the_verb(ctl):
    result = ctl("--help")

    for verb, (_, line) in VERBS.items():
        assert re.search(
            rf"^  {verb} +{re.escape(line[:30])}", result.out, re.MULTILINE
        )


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_has_a_short_name(ctl, flag):
    assert ctl(flag).code == 0


def test_version_is_told(ctl):
    assert ctl("--version").out.startswith("shoonyactl, version ")


# -- wrong usage ---------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["explode"], id="verb"),
        pytest.param(["order", "explode"], id="sub-verb"),
        pytest.param(["order", "show"], id="argument-missing"),
        pytest.param(["order", "list", "--limit", "many"], id="no-number"),
        pytest.param(["order", "list", "--status", "shiny"], id="no-choice"),
        pytest.param(["status", "--loud"], id="option"),
        pytest.param(["logs", "--grep", "("], id="pattern"),
        pytest.param(["logs", "--since", "soon"], id="time"),
        pytest.param(["logs", "--since", "99999999999d"], id="time-before-all"),
        pytest.param(["up", "--once"], id="do-not-go-together"),
        pytest.param(["up", "--once"], id="once-without-demo"),
        pytest.param(["paper", "price", "NFO:X", "dear"], id="price"),
        pytest.param(["paper", "price", "NFO:X", "-1"], id="negative-price"),
        pytest.param(["paper", "price", "X", "1"], id="no-exchange"),
        pytest.param(["paper", "fault", "earthquake"], id="fault"),
    ],
)
def test_wrong_usage_is_2_and_a_sentence_with_where_to_read_on(ctl, arguments):
    result = ctl(*arguments)

    assert result.code == 2
    assert result.out == ""
    assert "Error: " in result.err
    assert "--help" in result.err
    assert "Options:" not in result.err


# -- exit codes ----------------------------------------------------------------


def test_each_error_has_the_exit_code_that_is_documented():
    found = {kind.__name__: kind.exit_code for kind in tree()}

    assert found == EXIT_CODES


def test_exit_code_other_than_1_belongs_to_one_error_alone():
    # A special case of another error shares its code: scripts need not tell them apart.
    special = {"LoginNeeded": errors.BrokerUnavailable}
    for name, kind in special.items():
        assert issubclass(getattr(errors, name), kind)
        assert EXIT_CODES[name] == kind.exit_code
    codes = [
        code for name, code in EXIT_CODES.items() if code != 1 and name not in special
    ]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(("name", "code"), EXIT_CODES.items())
def test_exit_code_lies_in_the_range_of_its_area(name, code):
    kind = getattr(errors, name)

    assert 0 < code < 126
    assert (10 <= code <= 19) == issubclass(
        kind, errors.ConfigError | errors.StoreError
    )
    assert (20 <= code <= 29) == issubclass(kind, errors.BrokerError)


def test_help_documents_the_exit_codes(ctl):
    shown = " ".join(ctl("--help").out.split())

    for code, meaning in DOCUMENTED.items():
        assert f"{code} {meaning}" in shown


def test_each_error_stands_in_the_tree_that_is_drawn():
    assert errors.__doc__ is not None
    for kind in tree():
        assert kind.__name__ in errors.__doc__


def test_hint_is_a_line_of_its_own_and_stands_on_the_same_line_in_a_log():
    error = ShoonyaError("it is broken", hint="mend it")

    assert str(error) == "it is broken\nhint: mend it"
    assert error.sentence == "it is broken; mend it"
    assert str(ShoonyaError("it is broken")) == "it is broken"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(["order", "show", "999"], 4, id="order"),
        pytest.param(["order", "cancel", "999", "--yes"], 4, id="cancel"),
        pytest.param(["trace", "O261125-NOBODY00-1"], 4, id="trace"),
        pytest.param(["order", "show", "²"], 4, id="no-number"),
        pytest.param(["order", "show", "9" * 40], 4, id="huge-number"),
        pytest.param(["logs", "nobody"], 4, id="service"),
        pytest.param(["start", "nobody"], 4, id="start"),
    ],
)
def test_what_does_not_exist_is_4_with_a_hint(ctl, store, arguments, code):
    result = ctl(*arguments)

    assert result.code == code
    assert result.out == ""
    assert result.err.startswith("shoonyactl: ")
    assert "\nhint: " in result.err


def test_misspelt_service_is_guessed(ctl):
    assert "did you mean 'dashboard'?" in ctl("restart", "dashbord").err
    assert "did you mean" not in ctl("restart", "zebra").err


def test_place_that_cannot_be_written_is_1_and_named(ctl, store, home):
    order = store_order(store)
    place = home / "nowhere" / "order.svg"

    result = ctl("trace", str(order.order_id), "--svg", str(place))

    assert result.code == 1
    assert result.err == f"shoonyactl: {place}: no such file or directory\n"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["order", "list"], id="order-list"),
        pytest.param(["order", "show", "1"], id="order-show"),
        pytest.param(["trace", "1"], id="trace"),
        pytest.param(["risk", "show"], id="risk-show"),
        pytest.param(["risk", "halt"], id="risk-halt"),
        pytest.param(["status"], id="status"),
    ],
)
def test_before_the_first_start_it_is_3(ctl, arguments):
    result = ctl(*arguments)

    assert result.code == 3


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"no database" * 100, 14, id="damaged"),
    ],
)
def test_store_that_cannot_be_used_has_its_code(ctl, home, content, code):
    (home / "state" / "orders.db").write_bytes(content)

    result = ctl("order", "list")

    assert result.code == code
    assert "hint: " in result.err


def test_broken_configuration_is_10(ctl, home):
    (home / "shoonya.toml").write_text("[webhook]\nport = 'x'\n")

    result = ctl("order", "list")

    assert result.code == 10
    assert "'webhook.port': expected a whole number, was 'x'" in result.err


def test_configuration_may_be_named_by_an_option(ctl, home, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text((home / "shoonya.toml").read_text() + "[webhook]\nport = 5999\n")

    result = ctl("--config", str(other), "config", "show", "--json")

    assert result.document["settings"]["webhook.port"] == {
        "value": 5999,
        "source": str(other),
    }


# -- JSON ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        pytest.param(["status"], {"services", "trading"}, id="status"),
        pytest.param(["order", "list"], None, id="order-list"),
        pytest.param(
            ["order", "show", "1"], {"order_id", "status", "price"}, id="order-show"
        ),
        pytest.param(
            ["trace", "1"], {"alert_id", "orders", "steps", "notes"}, id="trace"
        ),
        pytest.param(
            ["risk", "show"], {"trading", "figures", "max_order_value"}, id="risk-show"
        ),
        pytest.param(
            ["config", "show"], {"path", "settings", "secrets"}, id="config-show"
        ),
        pytest.param(["paper", "faults"], None, id="paper-faults"),
        pytest.param(["logs"], None, id="logs"),
    ],
)
def test_json_is_one_document_with_snake_case_keys_and_nothing_else(
    ctl, store, arguments, keys
):
    store_order(store, OrderStatus.PARTIALLY_FILLED)

    result = ctl(*arguments, "--json")

    document = result.document
    assert result.err == ""
    if keys is None:
        assert isinstance(document, list)
    else:
        assert keys <= set(document)
    for key in all_keys(document):
        assert re.fullmatch(r"[a-z0-9_.]+", key), key


def all_keys(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from all_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from all_keys(inner)


def test_switch_of_the_account_names_the_services_that_still_use_the_other(
    ctl, home, clock
):
    SqliteOrderStore(
        home / "state" / "orders.db",
        service="tests",
        run_id="run-1",
        clock=clock,
        account="paper",
    ).close()
    with (home / "shoonya.toml").open("a") as file:
        file.write('\n[broker]\nname = "shoonya"\n[shoonya]\nuser_id = "FA12345"\n')
        file.write('[guard]\nmarket_hours = "exchange"\n')

    found = ctl("order", "list")

    assert found.code == 3
    assert "another account" in found.err
    assert "shoonyactl restart" in found.err
