"""shoonyactl config: what holds, whether it is usable, and a sample of it."""

import tomllib
from decimal import Decimal

import msgspec
import pytest

from shoonya_platform.config.loader import all_keys, load
from shoonya_platform.config.settings import Section, Settings

SECRET = "correct-horse-battery"


@pytest.fixture
def secret(home):
    (home / "credentials" / "webhook_secret").write_text(SECRET)


# -- show ----------------------------------------------------------------------


def test_show_has_each_setting_with_its_value_and_source(ctl, home, monkeypatch):
    monkeypatch.setenv("SHOONYA_WEBHOOK_PORT", "5001")

    document = ctl("config", "show", "--json").document

    assert set(document["settings"]) == set(all_keys())
    assert document["path"] == str(home / "shoonya.toml")
    assert document["settings"]["webhook.port"] == {
        "value": 5001,
        "source": "$SHOONYA_WEBHOOK_PORT",
    }
    assert document["settings"]["paths.log_dir"] == {
        "value": str(home / "logs"),
        "source": str(home / "shoonya.toml"),
    }
    assert document["settings"]["risk.max_exposure"]["source"] == "default"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_show_never_shows_a_secret_only_where_it_is(ctl, home, secret, options):
    result = ctl("config", "show", *options)

    assert result.code == 0
    assert SECRET not in result.out + result.err
    assert str(home / "credentials" / "webhook_secret") in result.out


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_show_never_shows_a_secret_from_a_variable(ctl, monkeypatch, options):
    monkeypatch.setenv("SHOONYA_WEBHOOK_SECRET", SECRET)

    result = ctl("config", "show", *options)

    assert SECRET not in result.out + result.err
    assert "SHOONYA_WEBHOOK_SECRET" in result.out


def test_show_says_that_a_secret_is_missing(ctl):
    assert ctl("config", "show", "--json").document["secrets"] == {
        "webhook_secret": "missing"
    }


# -- check ---------------------------------------------------------------------


def test_check_of_a_usable_configuration_is_0(ctl, home, secret):
    result = ctl("config", "check")

    assert (result.code, result.out) == (0, f"{home / 'shoonya.toml'}: usable\n")


def test_check_without_its_secret_is_11(ctl):
    result = ctl("config", "check")

    assert (result.code, result.out) == (11, "")
    assert "webhook_secret" in result.err


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[webhook]\nport = 'x'", id="type"),
        pytest.param('[instruments."nifty"]\nlot_size = 5', id="instrument"),
        pytest.param('[instruments."NFO:X"]\ntick_size = 0', id="tick"),
        pytest.param('[paper.prices]\n"NFO:X" = 0', id="price"),
        pytest.param('[log]\nbudget = "400M"', id="budget"),
    ],
)
def test_check_finds_what_a_service_would_find(ctl, home, secret, text):
    (home / "shoonya.toml").write_text(text)

    result = ctl("config", "check")

    assert result.code == 10
    assert str(home / "shoonya.toml") in result.err


# -- sample --------------------------------------------------------------------


@pytest.fixture
def sample(ctl):
    result = ctl("config", "sample")
    assert (result.code, result.err) == (0, "")
    return result.out


def uncommented(sample):
    """Take the # from each line that is a setting or a section."""
    lines = []
    for line in sample.splitlines():
        is_setting = line.startswith("#") and not line.startswith("# ")
        lines.append(line[1:] if is_setting else line)
    return "\n".join(lines)


def test_sample_as_it_stands_changes_nothing(tmp_path, sample):
    path = tmp_path / "sample.toml"
    path.write_text(sample)

    config = load(path, {})

    assert config.settings == Settings()
    assert set(config.sources.values()) == {"default"}


def test_sample_uncommented_is_exactly_the_defaults(tmp_path, sample):
    path = tmp_path / "sample.toml"
    path.write_text(uncommented(sample))

    config = load(path, {})

    # The one example of an instrument has no default to be like.
    settings = msgspec.structs.replace(config.settings, instruments={})
    assert settings == Settings()
    assert set(config.sources.values()) == {str(path)}
    assert config.settings.instruments["NFO:FINNIFTY"].tick_size == Decimal("0.05")


def test_sample_has_each_setting_with_a_comment_above_it(sample):
    lines = sample.splitlines()
    section = ""
    seen = set()
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("["):
            section = line.strip("[]")
        elif line.startswith("#") and " = " in line and not line.startswith("# "):
            if "instruments" in section or line.startswith("#lot_size"):
                continue
            seen.add(f"{section}.{line[1:].partition(' = ')[0]}")
            assert before.startswith("# "), line
    assert seen == set(all_keys()) - {"instruments"}


def test_each_section_of_the_sample_says_what_it_is_about(sample):
    lines = sample.splitlines()

    for number, line in enumerate(lines):
        if line.startswith("["):
            assert lines[number - 1].startswith("# ")
    assert {line.strip("[]") for line in lines if line.startswith("[")} == {
        field.name
        for field in msgspec.structs.fields(Settings)
        if isinstance(field.type, type) and issubclass(field.type, Section)
    }


def test_sample_names_the_secrets_and_holds_none(sample):
    assert "webhook_secret" in sample
    assert "webhook_secret" not in str(tomllib.loads(uncommented(sample)))
