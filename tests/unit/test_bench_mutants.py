"""What the mutation run changes, and what it leaves alone."""

import ast
import textwrap
from pathlib import Path

import pytest
from scripts.bench.mutants_places import PACKAGES, mutants_of

from shoonya_platform import __file__ as package_file


def changes(tmp_path, text):
    """Return what becomes of a module, as lines before and after."""
    (tmp_path / "domain").mkdir()
    (tmp_path / "domain" / "module.py").write_text(textwrap.dedent(text))
    return [(m.before, m.after) for m in mutants_of(tmp_path, "domain")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("x = a < b", ["x = a <= b", "x = a >= b"], id="border-and-sense"),
        pytest.param("x = a == b", ["x = a != b"], id="equal"),
        pytest.param("x = a is not b", ["x = a is b"], id="two-words"),
        pytest.param("x = a not  in b", ["x = a in b"], id="blanks-between"),
        pytest.param("x = (a) and (b)", ["x = (a) or (b)"], id="brackets"),
        pytest.param("x = not a", ["x = a"], id="not"),
        pytest.param(
            "x = '€€' == b or c",
            ["x = '€€' == b and c", "x = '€€' != b or c"],
            id="euro",
        ),
        pytest.param(
            "x = a and b and c",
            ["x = a or b and c", "x = a and b or c"],
            id="one-at-a-time",
        ),
        pytest.param("send(\n    1,\n)", ["pass"], id="call-over-lines"),
    ],
)
def test_place_becomes_each_of_its_changes(tmp_path, before, after):
    squeezed = " ".join(before.split())

    assert changes(tmp_path, before) == [(squeezed, each) for each in after]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x = send(1)", id="call-that-is-used"),
        pytest.param("self._logger.warning('%s', a == b)", id="log-call"),
        pytest.param("x = f'{a if a == b else c}'", id="f-string"),
        pytest.param("raise ValueError('a' if a == b else 'c')", id="text-of-an-error"),
        pytest.param("def __repr__(self):\n    return a == b", id="repr"),
        pytest.param("if TYPE_CHECKING:\n    send()", id="types-alone"),
        pytest.param('"""a == b."""', id="docstring"),
    ],
)
def test_what_changes_no_behaviour_is_no_place(tmp_path, text):
    assert changes(tmp_path, text) == []


def test_error_that_notifies_the_operator_is_a_place(tmp_path):
    assert changes(tmp_path, "logger.error('lost')") == [
        ("logger.error('lost')", "pass")
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_change_of_the_sources_is_python_and_has_an_id_of_its_own(package):
    mutants = mutants_of(Path(package_file).parent, package)

    assert len({mutant.key for mutant in mutants}) == len(mutants) > 100
    for mutant in mutants[::20]:
        ast.parse(mutant.source)
