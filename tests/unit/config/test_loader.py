"""The configuration is strict, and what is wrong in it is one sentence."""

from decimal import Decimal
from pathlib import Path

import pytest

from shoonya_platform.config.loader import DEFAULT_PATH, Config, all_keys, load
from shoonya_platform.config.secrets import variable
from shoonya_platform.config.settings import Settings, parse_bytes
from shoonya_platform.errors import ConfigError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "shoonya.toml"


def loaded(file: Path, text: str = "", **variables: str) -> Config:
    file.write_text(text)
    return load(file, {f"SHOONYA_{name}": value for name, value in variables.items()})


def refused(file: Path, text: str = "", **variables: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        loaded(file, text, **variables)
    return caught.value


# -- where values come from ----------------------------------------------------


def test_empty_file_leaves_everything_at_its_default(file):
    config = loaded(file)

    assert config.settings == Settings()
    assert set(config.sources.values()) == {"default"}


@pytest.mark.skipif(DEFAULT_PATH.exists(), reason=f"{DEFAULT_PATH} is there")
def test_file_may_be_absent_from_its_default_place():
    config = load(None, {})

    assert config.settings == Settings()
    assert config.path is None


def test_file_counts_over_the_default_and_a_variable_over_the_file(file):
    config = loaded(
        file,
        "[webhook]\nport = 5001\n[dashboard]\nport = 8001",
        WEBHOOK_PORT="5002",
    )

    assert config.settings.webhook.port == 5002
    assert config.settings.dashboard.port == 8001
    assert config.sources["webhook.port"] == "$SHOONYA_WEBHOOK_PORT"
    assert config.sources["dashboard.port"] == str(file)
    assert config.sources["webhook.host"] == "default"


def test_each_key_has_a_source(file):
    assert set(loaded(file).sources) == set(all_keys())


def test_file_may_be_named_by_a_variable(file):
    file.write_text("[webhook]\nport = 5001")

    config = load(None, {"SHOONYA_CONFIG": str(file)})

    assert (config.settings.webhook.port, config.path) == (5001, file)


@pytest.mark.parametrize("key", [key for key in sorted(all_keys()) if "." in key])
def test_each_setting_can_be_a_variable(file, key):
    section, _, name = key.partition(".")
    default = all_keys()[key]
    text = "{}" if isinstance(default, dict) else str(default)
    if isinstance(default, bool):
        text = text.lower()

    config = loaded(file, **{key.replace(".", "_").upper(): text})

    assert getattr(getattr(config.settings, section), name) == default
    assert config.sources[key] == f"${variable(key.replace('.', '_'))}"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("WEBHOOK_HOST", "0.0.0.0", "0.0.0.0"),  # noqa: S104  # only read
        ("PATHS_STATE_DIR", "/var/a b", Path("/var/a b")),
        ("PAPER_CASH", "0.05", Decimal("0.05")),
        ("PAPER_PRICES", '{"NFO:X" = "1.5"}', {"NFO:X": Decimal("1.5")}),
        ("LOG_MAX_BYTES", "2GiB", "2GiB"),
        ("SERVICE_POLL_SECONDS", "0.25", 0.25),
    ],
)
def test_variable_is_read_as_toml_or_else_as_text(file, name, text, value):
    settings = loaded(file, **{name: text}).settings
    section, _, key = name.lower().partition("_")

    assert getattr(getattr(settings, section), key) == value


def test_money_is_exact(file):
    # More digits than a binary number of 64 bits holds.
    exact = "0.050000000000000000001"
    settings = loaded(file, f'[instruments."NFO:X"]\ntick_size = {exact}').settings

    assert str(settings.instruments["NFO:X"].tick_size) == exact


# -- what is refused -----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "right"),
    [
        pytest.param("[webhook]\nprt = 5", "'prt'", "'port'", id="unknown-key"),
        pytest.param("[webhook]\nx = 5", "'x'", "host, port", id="far-from-any-key"),
        pytest.param("[webhok]\nport = 5", "'webhok'", "'webhook'", id="section"),
        pytest.param("port = 5000", "'port'", "top level", id="outside-of-sections"),
        pytest.param("webhook = 5", "'webhook'", "a section, was 5", id="no-section"),
        pytest.param(
            '[webhook]\nport = "x"',
            "'webhook.port'",
            "a whole number, was 'x'",
            id="type",
        ),
        pytest.param(
            "[webhook]\nport = 70000", "'webhook.port'", "<= 65535", id="too-large"
        ),
        pytest.param(
            '[webhook]\nhost = ""',
            "'webhook.host'",
            "length >= 1",
            id="host-that-means-all",
        ),
        pytest.param(
            "[paths]\nstate_dir = 5",
            "'paths.state_dir'",
            "text in quotes, was 5",
            id="path-number",
        ),
        pytest.param(
            '[paths]\nlog_dir = "logs"',
            "'paths.log_dir'",
            "an absolute path, was 'logs'",
            id="path-relative",
        ),
        pytest.param(
            '[paths]\ncredentials_dir = "x"',
            "'paths.credentials_dir'",
            "an absolute path",
            id="credentials-relative",
        ),
        pytest.param(
            '[log]\nlevel = "LOUD"',
            "'log.level'",
            "DEBUG, INFO, WARNING, ERROR, CRITICAL, was 'LOUD'",
            id="choice",
        ),
        pytest.param(
            '[log.levels]\nrisk_manager = "LOUD"',
            "'log.levels.\"risk_manager\"'",
            "DEBUG, INFO",
            id="choice-in-mapping",
        ),
        pytest.param(
            '[log.levels]\nrisk = "INFO"',
            "'log.levels'",
            "risk_manager",
            id="level-of-nobody",
        ),
        pytest.param('[log]\nmax_bytes = "50X"', "'log.max_bytes'", "'50M'", id="size"),
        pytest.param(
            "[log]\nmax_bytes = true",
            "'log.max_bytes'",
            "whole number or text",
            id="or",
        ),
        pytest.param(
            "[service]\npoll_seconds = inf",
            "'service.poll_seconds'",
            "<= 86400",
            id="for-ever",
        ),
        pytest.param(
            "[service]\npoll_seconds = nan", "'service.poll_seconds'", "> 0", id="nan"
        ),
        pytest.param(
            "[service]\npoll_seconds = 0", "'service.poll_seconds'", "> 0", id="zero"
        ),
        pytest.param(
            "[risk]\nmax_exposure = -1", "'risk.max_exposure'", "above 0", id="-"
        ),
        pytest.param(
            "[risk]\nmax_exposure = nan",
            "'risk.max_exposure'",
            "above 0",
            id="nan-money",
        ),
        pytest.param(
            '[risk]\nmax_exposure = "5,000"',
            "'risk.max_exposure'",
            "a decimal number, was '5,000'",
            id="money-text",
        ),
        pytest.param(
            "[recovery]\nabsent_reads = 1",
            "'recovery.absent_reads'",
            ">= 2",
            id="reads",
        ),
        pytest.param(
            "[recovery]\nabsent_seconds = 5",
            "'recovery.absent_seconds'",
            "more than broker.timeout_seconds (5)",
            id="proof-shorter-than-a-request",
        ),
        pytest.param(
            "[dashboard]\nport = 5000",
            "'dashboard.port'",
            "another port than webhook.port",
            id="one-port-for-two",
        ),
        pytest.param(
            '[broker]\nname = "zerodha"', "'broker.name'", "paper", id="broker"
        ),
        pytest.param(
            '[instruments."NFO:X"]\nlot_size = 0',
            "'instruments.\"NFO:X\".lot_size'",
            ">= 1",
            id="lot-size",
        ),
        pytest.param(
            '[instruments."NFO:X"]\nlot = 5', "'lot'", "lot_size", id="unknown-figure"
        ),
        pytest.param(
            '[instruments."nifty"]\nlot_size = 5',
            "instruments.'nifty'",
            "'NFO:NIFTY'",
            id="instrument-name",
        ),
        pytest.param(
            '[instruments."NFO:X"]\ntick_size = nan',
            "instruments.'NFO:X'.tick_size",
            "more than 0",
            id="tick-size",
        ),
        pytest.param(
            '[instruments."NFO:X"]\nlot_size = 75\nfreeze_quantity = 50',
            "instruments.'NFO:X'.freeze_quantity",
            "at least one lot (75)",
            id="freeze-quantity",
        ),
        pytest.param(
            '[paper.prices]\n"NFO:X" = -1',
            "'paper.prices.\"NFO:X\"'",
            "above 0",
            id="price",
        ),
        pytest.param(
            '[paper.bands]\n"NFO:X" = [120, 80]',
            "'paper.bands.\"NFO:X\"'",
            "a lower and a higher price",
            id="band",
        ),
        pytest.param(
            "[paper.prices]\nNIFTY = 1",
            "paper.prices.'NIFTY'",
            "'NFO:NIFTY'",
            id="name",
        ),
    ],
)
def test_wrong_value_is_told_with_place_key_and_what_would_be_right(
    file, text, key, right
):
    error = refused(file, text)

    assert error.message.startswith(f"{file}: ")
    assert key in error.message
    assert right in str(error)
    assert "\n" not in error.message
    assert error.exit_code == 10


def test_wrong_variable_is_named_instead_of_the_file(file):
    error = refused(file, "[webhook]\nport = 5001", WEBHOOK_PORT="many")

    assert error.message == (
        "$SHOONYA_WEBHOOK_PORT: 'webhook.port': expected a whole number, was 'many'"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("WEBHOK_PORT", "SHOONYA_WEBHOOK_PORT"),
        ("WEBHOOK_SECERT", "SHOONYA_WEBHOOK_SECRET"),
        ("CONFG", "SHOONYA_CONFIG"),
        ("QQQQQQQQQQ", "config show"),
    ],
)
def test_unknown_variable_is_refused_with_the_nearest_one(file, name, hint):
    error = refused(file, **{name: "1"})

    assert f"'SHOONYA_{name}'" in error.message
    assert hint in (error.hint or "")


def test_other_programs_variables_are_none_of_ours(file):
    file.touch()

    assert load(file, {"PATH": "/bin", "SHOONYAX": "1"}).settings == Settings()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[webhook]\nsecret = "correct-horse"', "webhook.secret"),
        ('[webhook]\nwebhook_secret = "correct-horse"', "webhook.webhook_secret"),
        ('webhook_secret = "correct-horse"', "webhook_secret"),
    ],
)
def test_secret_in_the_file_is_refused_without_showing_it(file, text, place):
    error = refused(file, text)

    assert f"'{place}'" in error.message
    assert "correct-horse" not in str(error)


def test_broken_toml_is_told_with_its_line(file):
    error = refused(file, "[webhook]\nport =\n")

    assert error.message.startswith(f"{file} is not valid TOML: ")
    assert "line 2" in error.message


def test_missing_file_is_told_with_how_to_make_one(file):
    with pytest.raises(ConfigError, match="does not exist") as caught:
        load(file, {})

    assert "config sample" in (caught.value.hint or "")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["directory", "not-utf-8"])
def test_unreadable_file_is_one_sentence(file, content):
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)

    with pytest.raises(ConfigError, match=r"cannot be read") as caught:
        load(file, {})

    assert str(file) in caught.value.message


# -- sizes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "number"),
    [
        (2048, 2048),
        ("1024", 1024),
        ("50M", 50 << 20),
        ("50 MB", 50 << 20),
        ("50MiB", 50 << 20),
        ("2g", 2 << 30),
        (" 4 k ", 4096),
    ],
)
def test_size_is_read_as_people_write_it(size, number):
    assert parse_bytes(size) == number


@pytest.mark.parametrize("size", [0, 1023, "1000", "-5M", "5.5M", "M", "", "50 X"])
def test_size_that_is_none_or_holds_no_line_is_refused(size):
    with pytest.raises(ValueError, match="expected"):
        parse_bytes(size)


def test_secrets_do_not_show_with_the_configuration(file):
    config = loaded(file, WEBHOOK_SECRET="correct-horse")

    assert config.secrets.get("webhook_secret").value == "correct-horse"
    assert "correct-horse" not in repr(config)
