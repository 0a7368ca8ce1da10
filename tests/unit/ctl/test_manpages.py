"""Man pages: every verb, every option, and nothing that groff stumbles over."""

import re
import subprocess

import click
import pytest

from shoonya_platform.ctl._manpages import file_name, roff
from shoonya_platform.ctl._pages import Option, Page, pages
from shoonya_platform.ctl.logs_lines import cli as log_lines
from shoonya_platform.ctl.main import VERBS, cli

pytestmark = pytest.mark.needs("groff")

PAGES = list(pages(cli))
BY_NAME = {page.name: page for page in PAGES}


def rendered(text):
    """Return what man shows, on one line."""
    return " ".join(re.sub(r".\x08", "", groff(text, "-rLL=400n")).split())


def groff(text, *options):
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-c", *options],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def shown(text):
    return " ".join(text.split())


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    """Every page as man shows it, by the verb's words."""
    return {page.name: rendered(roff(page, version="1.2.3")) for page in PAGES}


def test_each_verb_has_a_page():
    assert {f"shoonyactl {verb}" for verb in VERBS} < set(BY_NAME)
    assert {"shoonyactl order list", "shoonyactl logs verify"} < set(BY_NAME)
    assert len({file_name(page) for page in PAGES}) == len(PAGES)


def test_groff_has_no_complaint_on_80_columns():
    groff("".join(roff(page, version="1.2.3") for page in PAGES))


def test_each_page_says_all_that_the_help_says(manual):
    for page in PAGES:
        text = manual[page.name]
        assert shown(page.summary) in text, page.name
        for option in page.options:
            assert shown(option.names) in text, (page.name, option.names)
            assert shown(option.text) in text, (page.name, option.names)
        for paragraph in (*page.paragraphs, *page.notes, *page.examples):
            assert shown(paragraph) in text, (page.name, paragraph)
        for verb, sentence in page.verbs:
            assert f"{page.name}-{verb}".replace(" ", "-") + "(1)" in text
            assert shown(sentence) in text


def test_each_option_of_each_verb_is_on_its_page():
    def check(command, words):
        page = BY_NAME[" ".join(words)]
        names = " ".join(option.names for option in page.options)
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                for name in (*parameter.opts, *parameter.secondary_opts):
                    assert name in names, (words, name)
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                check(command.get_command(context, name), (*words, name))

    check(cli, ("shoonyactl",))


def test_options_of_the_log_lines_are_on_the_page_of_logs():
    names = " ".join(option.names for option in BY_NAME["shoonyactl logs"].options)

    assert {"--follow", "--grep", "--level"} <= set(re.findall(r"--\w+", names))
    assert BY_NAME["shoonyactl logs"].summary in (log_lines.help or "")


def test_what_means_something_to_groff_is_shown_as_it_is():
    nasty = r""".TH 'x' "y" \fBz\fP `w` a-b ~ ^ ’"""
    options = [Option("-x", nasty)]
    page = Page(("shoonyactl", "x"), "X", nasty, [nasty], options, [nasty], [], [])

    text = rendered(roff(page, version="1"))

    assert text.count(nasty.replace("’", "'")) == 5


def test_verb_writes_the_pages_and_says_where(ctl, tmp_path):
    folder = tmp_path / "share" / "man1"

    result = ctl("man", str(folder))

    assert (result.code, result.err) == (0, "")
    assert result.out == f"{len(PAGES)} pages in {folder}\n"
    assert {path.name for path in folder.iterdir()} == {
        file_name(page) for page in PAGES
    }


def test_file_in_the_way_is_named(ctl, tmp_path):
    (tmp_path / "file").write_text("")

    result = ctl("man", str(tmp_path / "file" / "man1"))

    assert result.code == 1
    assert f"'{tmp_path}/file" in result.err
