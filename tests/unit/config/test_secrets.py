"""Secrets come from where only the service can read, and never show themselves."""

from pathlib import Path

import pytest

from shoonya_platform.config.secrets import MINIMUM_LENGTH, SECRETS, Secrets, variable
from shoonya_platform.errors import ConfigError, SecretMissing

NAME = "webhook_secret"


def written(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_text(text)
    return folder


def test_systemds_credentials_count_first_then_the_folder_then_the_variable(tmp_path):
    handed = written(tmp_path / "handed", "from-systemd\n")
    own = written(tmp_path / "own", "from-own-folder\n")
    environ = {"CREDENTIALS_DIRECTORY": str(handed), variable(NAME): "from-variable"}
    secrets = Secrets(own, environ)

    found = [secrets.get(NAME)]
    (handed / NAME).unlink()
    found.append(secrets.get(NAME))
    (own / NAME).unlink()
    found.append(secrets.get(NAME))

    assert [secret.value for secret in found] == [
        "from-systemd",
        "from-own-folder",
        "from-variable",
    ]
    assert [secret.source for secret in found] == [
        str(handed / NAME),
        str(own / NAME),
        "SHOONYA_WEBHOOK_SECRET",
    ]


def test_missing_secret_says_where_it_may_be_put(tmp_path):
    with pytest.raises(SecretMissing, match=NAME) as caught:
        Secrets(tmp_path, {}).get(NAME)

    assert str(tmp_path / NAME) in (caught.value.hint or "")
    assert variable(NAME) in (caught.value.hint or "")
    assert caught.value.exit_code == 11


@pytest.mark.parametrize("text", ["", "  \n", "x" * (MINIMUM_LENGTH - 1)])
def test_short_secret_is_refused_and_not_shown(tmp_path, text):
    secrets = Secrets(written(tmp_path / "own", text), {})

    with pytest.raises(ConfigError, match="shorter than 8") as caught:
        secrets.get(NAME)

    assert "xxx" not in str(caught.value)


def test_secret_of_the_least_length_is_taken(tmp_path):
    secrets = Secrets(written(tmp_path / "own", "x" * MINIMUM_LENGTH), {})

    assert secrets.get(NAME).value == "x" * MINIMUM_LENGTH


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: path.mkdir(parents=True), id="directory"),
        pytest.param(lambda path: path.write_bytes(b"\xff" * 20), id="not-text"),
    ],
)
def test_unreadable_secret_is_one_sentence_and_no_next_place_is_tried(tmp_path, make):
    make(tmp_path / NAME)

    with pytest.raises(ConfigError, match="cannot be read"):
        Secrets(tmp_path, {variable(NAME): "from-variable"}).get(NAME)


def test_folder_that_is_a_file_holds_no_secret(tmp_path):
    folder = tmp_path / "file"
    folder.touch()

    assert Secrets(folder, {}).find(NAME) is None


def test_secret_is_not_shown_by_printing_it(tmp_path):
    secrets = Secrets(written(tmp_path / "own", "correct-horse"), {})
    found = secrets.get(NAME)

    for shown in (repr(found), str(found), f"{found}", f"{[found]}", repr(secrets)):
        assert "correct-horse" not in shown


def test_values_for_redaction_are_those_that_can_be_read(tmp_path):
    own = written(tmp_path / "own", "correct-horse\n")

    assert Secrets(own, {}).known_values() == ["correct-horse"]
    assert Secrets(tmp_path, {}).known_values() == []
    (own / NAME).write_bytes(b"\xff")
    assert Secrets(own, {}).known_values() == []


def test_each_secret_says_what_it_opens():
    assert all(SECRETS.values())
