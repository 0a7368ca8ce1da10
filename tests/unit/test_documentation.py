"""What a user can meet is documented, and what is documented is there."""

import json
import re
import subprocess
from pathlib import Path

import click
import pytest

from shoonya_platform import errors
from shoonya_platform.config.loader import RESERVED_VARIABLES, all_keys
from shoonya_platform.config.secrets import SECRETS, variable
from shoonya_platform.ctl.main import cli
from shoonya_platform.domain.alert_form import parse
from shoonya_platform.domain.orders import Intent
from shoonya_platform.execution.adoption import STRATEGY

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
BY_HAND = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = ROOT / "src" / "shoonya_platform"
#: For the eyes of the platform's own processes only.
INTERNAL = {"SHOONYA_REPLAY_CLOCK", "SHOONYA_SUPERVISED", "SHOONYA_BOOT"}


def reference(name: str) -> str:
    return (REFERENCE / name).read_text()


def everything() -> str:
    return "\n".join(path.read_text() for path in BY_HAND)


def verbs(
    command: click.Command = cli, words: tuple[str, ...] = ("shoonyactl",)
) -> dict[tuple[str, ...], click.Command]:
    """Return every verb by the words of its call, groups too."""
    found = {words: command}
    if isinstance(command, click.Group):
        context = click.Context(command, **command.context_settings)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found |= verbs(below, (*words, name))
    return found


VERBS = verbs()


def options(command: click.Command) -> set[str]:
    described = getattr(command, "described", lambda: command)()
    return {
        name
        for parameter in (*command.params, *described.params)
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


# -- the reference -------------------------------------------------------------


@pytest.mark.parametrize("name", ["cli.md", "settings.md", "journal.md"])
def test_reference_is_up_to_date(made, name):
    assert (made / name).read_text() == reference(name), "run scripts/docs"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The reference as scripts/docs makes it now."""
    folder: Path = tmp_path_factory.mktemp("reference")
    done = subprocess.run(
        [ROOT / "scripts" / "docs", folder], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_each_verb_and_each_option_is_in_the_reference(words):
    _, _, rest = reference("cli.md").partition(f"\n## {' '.join(words)}\n")
    section = rest.partition("\n## ")[0]

    assert section
    for option in options(VERBS[words]):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", section), option


def test_each_exit_code_is_in_the_reference():
    page = reference("cli.md").partition("## Exit codes")[2]
    codes = {
        getattr(errors, name).exit_code
        for name in dir(errors)
        if isinstance(getattr(errors, name), type)
        and issubclass(getattr(errors, name), errors.ShoonyaError)
    }
    for path in SOURCES.rglob("*.py"):
        codes |= {
            int(code)
            for code in re.findall(r"^EXIT_\w+ = (\d+)$", path.read_text(), re.M)
        }

    assert codes > {1, 3, 4, 10, 40, 78}
    for code in codes:
        assert f"| {code} |" in page, code


def test_each_setting_secret_and_variable_is_in_the_reference():
    page = reference("settings.md")

    for key in all_keys():
        assert f"`{key}" in page or f"[{key}" in page, key
    for name in SECRETS:
        assert f"`{name}`" in page
        assert f"`{variable(name)}`" in page
    for name in RESERVED_VARIABLES - INTERNAL:
        assert f"`{name}`" in page


def test_each_name_in_capitals_is_a_field_or_a_variable_of_the_reference():
    page = reference("journal.md") + reference("settings.md")
    found = set()
    for path in SOURCES.rglob("*.py"):
        found |= set(re.findall(r"\bSHOONYA_[A-Z_]*[A-Z]\b", path.read_text()))

    for name in found - INTERNAL:
        assert f"`{name}`" in page, name


def test_setting_has_a_meaning():
    for line in reference("settings.md").splitlines():
        if line.startswith("| `"):
            assert not line.endswith("|  |"), line


# -- what is written by hand ---------------------------------------------------


def test_each_metric_is_documented_and_each_documented_one_is_there():
    source = (SOURCES / "dashboard" / "metrics.py").read_text()
    found = set(re.findall(r'_gauge\(\s*"(\w+)"', source))
    found |= {f"{name}_total" for name in re.findall(r'_counter\(\s*"(\w+)"', source)}
    found |= set(re.findall(r'f"\{_PREFIX\}(\w+)"', source))
    table = (ROOT / "docs" / "monitoring.md").read_text()
    documented = set(re.findall(r"^\| `shoonya_(\w+)` \|", table, re.MULTILINE))

    assert "hop_seconds" in found
    assert found == documented


#: A call within a code span or a code block, up to what ends it there.
CALL = re.compile(r"(?<![\w/.-])(?:\S*/)?shoonyactl((?: +[^\s`|;&)#>'\"]+)+)")


def calls():
    """Yield where each call is shown, and its words."""
    for path in (*BY_HAND, ROOT / "CHANGELOG.md"):
        text = path.read_text()
        shown = re.findall(r"```[^\n]*\n(.*?)```|`([^`\n]+)`", text, re.DOTALL)
        for block, span in shown:
            for call in CALL.findall((block or span).replace("\\\n", " ")):
                yield path.name, call.split()


@pytest.mark.parametrize("verb", [words[1] for words in VERBS if len(words) == 2])
def test_each_verb_is_shown_in_a_guide(verb):
    assert verb in {words[0] for _, words in calls()}


def test_each_call_that_is_shown_has_a_verb_and_options_that_are_there():
    wrong = []
    number = 0
    for place, given in calls():
        number += 1
        words: tuple[str, ...] = ("shoonyactl",)
        rest = list(given)
        while rest and (*words, rest[0]) in VERBS:
            words = (*words, rest.pop(0))
        known = options(VERBS[words]) | {"--help", "-h"}
        if len(words) == 1:
            known |= {"--version"}
        takes_a_verb = isinstance(VERBS[words], click.Group) and words[1:] != ("logs",)
        if takes_a_verb and rest and re.fullmatch(r"[a-z-]*[a-z]", rest[0]):
            wrong.append((place, given))
        unknown = [
            word
            for word in rest
            if word.startswith("--")
            and word.partition("=")[0].rstrip(".,:") not in known
        ]
        if unknown:
            wrong.append((place, given))

    assert number > 100
    assert wrong == []


def test_strategy_of_adopted_orders_is_in_the_runbook_with_an_exit_that_is_an_alert():
    section = (
        (ROOT / "docs" / "runbook.md").read_text().split("## An order was missing")[1]
    )
    section = section.split("\n## ")[0]
    (body,) = re.findall(r"echo '(\{.*?\})' \|", section, re.DOTALL)

    alert = parse(json.loads(body))

    assert (alert.strategy, alert.intent) == (STRATEGY, Intent.EXIT)
