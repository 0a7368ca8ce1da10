import pytest

from shoonya_platform.logging.reading.groups import (
    MOST_GROUPS,
    OTHERS,
    grouped,
    normalized,
    template_of,
)
from shoonya_platform.logging.reading.records import records
from tests.unit.logging.reading.writing import text_line


@pytest.mark.parametrize(
    ("one", "other", "template"),
    [
        pytest.param("order 42", "order 7", "order <n>", id="number"),
        pytest.param("took 1.5 s", "took 12,000 s", "took <n> s", id="amount"),
        pytest.param(
            "O261124-7K3M9QXZ-1 refused",
            "O261125-99999999-12 refused",
            "<id> refused",
            id="order-id",
        ),
        pytest.param(
            "from 10.0.0.7:443", "from 192.168.1.1", "from <address>", id="address"
        ),
        pytest.param(
            "<x at 0x7f01>", "<x at 0xdeadbeef>", "<x at <address>>", id="hex"
        ),
        pytest.param(
            "a 123e4567-e89b-12d3-a456-426614174000",
            "a 00000000-0000-0000-0000-000000000000",
            "a <id>",
            id="uuid",
        ),
        pytest.param("leg2 late", "leg11 late", "leg<n> late", id="word-with-number"),
    ],
)
def test_what_changes_is_taken_out(one, other, template):
    assert normalized(one) == normalized(other) == template


def test_words_are_kept():
    assert normalized("broker not reachable") != normalized("store not reachable")


TRACEBACK = """    | Traceback (most recent call last):
    |   File "/opt/x/lib/python3.11/site-packages/shoonya_platform/risk/limits.py", \
line {line}, in check
    |     parse({line})
    |   File "/usr/lib/python3.11/json/decoder.py", line 337, in decode
    |     raise JSONDecodeError
    | json.decoder.JSONDecodeError: column {line}
"""


def record(text):
    (found,) = records(line.encode() for line in text.splitlines(keepends=True))
    return found


def test_traceback_is_its_error_and_our_innermost_frame():
    one = record(text_line(1, "step 1 failed") + TRACEBACK.format(line=10))
    other = record(text_line(2, "another way in") + TRACEBACK.format(line=99))

    assert template_of(one) == template_of(other)
    assert template_of(one) == "json.decoder.JSONDecodeError in risk/limits.py, check"


def test_of_a_chain_the_last_one_counts():
    cause = TRACEBACK.format(line=1).replace("json.decoder.JSONDecodeError", "KeyError")
    between = (
        "    | \n    | The above exception was the direct cause of the following "
        "exception:\n    | \n"
    )
    found = record(text_line(1) + cause + between + TRACEBACK.format(line=2))

    assert template_of(found).startswith("json.decoder.JSONDecodeError in")


def test_groups_count_and_keep_the_newest_as_the_example():
    lines = [
        *(text_line(n, f"order {n} failed") for n in (1, 2)),
        text_line(3, "alone"),
        text_line(4, "order 4 failed", component="dashboard"),
    ]

    first, second = grouped(records(line.encode() for line in lines))

    assert (first.template, first.count) == ("order <n> failed", 3)
    assert (first.first_at[-8:], first.last_at[-8:]) == ("0:01.000", "0:04.000")
    assert first.components == {"risk_manager", "dashboard"}
    assert first.example.seq == 4
    assert (second.template, second.count) == ("alone", 1)


def test_endless_kinds_do_not_fill_the_memory():
    def word(number):
        return "".join(chr(97 + int(digit)) for digit in str(number))

    lines = (text_line(n, f"kind {word(n)}").encode() for n in range(MOST_GROUPS + 500))
    groups = grouped(records(lines))

    assert len(groups) == MOST_GROUPS + 1
    assert (groups[0].template, groups[0].count) == (OTHERS, 500)
