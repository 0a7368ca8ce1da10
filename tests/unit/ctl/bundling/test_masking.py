"""No form of a secret passes the masker, and the search finds each that would."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.ctl.bundling.gathering import by_process
from shoonya_platform.ctl.bundling.known import Known
from shoonya_platform.ctl.bundling.masking import Masker
from shoonya_platform.ctl.bundling.pseudonyms import Pseudonyms
from tests.unit.ctl.bundling.planting import FORMS, HARD, SIMPLE, shows

BOTH = pytest.mark.parametrize("secret", [SIMPLE, HARD], ids=["simple", "hard"])
EACH = pytest.mark.parametrize("form", FORMS)


def known(*secrets: str, accounts: tuple[str, ...] = ()) -> Known:
    return Known(
        secrets={f"secret-{number}": [each] for number, each in enumerate(secrets)},
        unreadable={},
        accounts=frozenset(accounts),
        people=frozenset(),
    )


def masker(*secrets: str, accounts: tuple[str, ...] = ()) -> Masker:
    found = known(*secrets, accounts=accounts)
    return found.masker(found.seeker())


def test_there_are_fifty_forms_and_no_two_are_alike():
    for secret in (SIMPLE, HARD):
        assert len({form(secret) for form in FORMS.values()}) >= 50


@BOTH
@EACH
def test_form_is_seen_where_nobody_masks(form, secret):
    assert shows(f"got {FORMS[form](secret)} here", secret)


@BOTH
@EACH
def test_form_is_taken_out_of_a_text(form, secret):
    masked = masker(secret).text(f"before\ngot {FORMS[form](secret)} here\nafter")

    assert not shows(masked, secret)
    assert "***" in masked
    assert masked.startswith("before\n")
    assert masked.endswith("here\nafter")


@BOTH
@EACH
def test_form_is_found_by_the_search(form, secret):
    found = known(secret).seeker().find(f"got {FORMS[form](secret)} here".encode())

    assert {hit.name for hit in found} == {"secret-0"}


@BOTH
@EACH
def test_form_in_one_record_leaves_the_others_alone(form, secret):
    masked = masker(secret).records(["first", f"got {FORMS[form](secret)}", "third"])

    assert masked.startswith("first\n")
    assert masked.endswith("\nthird\n")
    assert not shows(masked, secret)


@BOTH
@pytest.mark.parametrize("form", ["over lines", "base64, wrapped", "hex over lines"])
@pytest.mark.parametrize("every", [1, 2])
def test_what_one_process_printed_is_found_between_the_lines_of_others(
    form, secret, every
):
    at = "2026-11-30T17:17:57+0000 server"
    others = f"{at} systemd[1]: told.service: Deactivated successfully."
    records = [f"{at} python[7]: begins"]
    for number, piece in enumerate(FORMS[form](secret).split("\n")):
        records += [others] * (number % every == 0)
        records.append(f"{at} sh[403]: {piece.removeprefix('    | ')}")
    text = "".join(f"{record}\n" for record in records)

    assert any(known(secret).seeker().find(text.encode()))
    masked = masker(secret).records(records)

    assert masked.count(others) == text.count(others)
    assert masked.startswith(records[0])
    left = re.findall(r"sh\[403]: (.*)", masked)
    # White space, quotes and the letter of an escape may be left.
    assert len(re.sub(r"\W", "", "".join(left))) <= 1, left


@pytest.mark.parametrize(
    "processes",
    [[], ["a[1]"], ["a[1]", "b[2]"], ["a[1]", "a[1]", "b[2]"], ["", "a[1]", "b[2]"]],
)
def test_entries_that_nobody_interrupted_are_not_looked_at_twice(processes):
    lines = [
        f"2026-11-30T17:17:57+0000 server {name}: one\n    two\n" if name else "end\n"
        for name in processes
    ]

    assert by_process("".join(lines).encode()) == []


@given(
    secret=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]),
        min_size=8,
        max_size=40,
    ).filter(lambda s: len(re.sub("[^a-zA-Z0-9]", "", s)) >= 6),
    form=st.sampled_from(sorted(FORMS)),
    around=st.text(max_size=20),
)
def test_any_secret_in_any_form_is_found_and_taken_out(secret, form, around):
    if form in ("upper case", "lower case") and not secret.isascii():
        # Only of ASCII is the case looked through.
        return
    seeker = known(secret).seeker()
    text = f"{around} {FORMS[form](secret)} {around}"

    assert any(seeker.find(text.encode()))
    masked = masker(secret).text(text)
    assert not any(seeker.find(masked.encode()))


@given(text=st.text())
def test_text_without_secrets_is_left_as_it_is(text):
    assert known("Zq7" * 8).seeker().blot(text.encode()) == (text.encode(), 0)


def test_base64_takes_the_users_name_with_it():
    header = FORMS["basic header"](SIMPLE)

    assert masker(SIMPLE).text(f"sent {header} to x") == "sent Basic *** to x"


def test_word_of_less_than_four_characters_is_no_secret():
    assert masker("abc").text("abc") == "abc"


def test_number_of_masked_secrets_is_told():
    one = masker(SIMPLE)
    one.text(f"{SIMPLE} and {SIMPLE.encode().hex()}")

    assert one.counts() == {"secret": 2}


def test_password_of_an_address_goes_without_being_known():
    masked = masker().text("proxy=http://me:abc123@proxy.test:3128/")

    assert masked == "proxy=http://me:***@proxy.test:3128/"


# -- pseudonyms ----------------------------------------------------------------

WRITTEN = [
    "FA12345",
    "fa12345",
    "uid=FA12345",
    '"actid": "FA12345"',
    '{\\"uid\\": \\"FA12345\\"}',
    "jData=%7B%22uid%22%3A%22FA12345%22%7D",
    "account FA12345, vendor FA12345_U",
    "line\\nFA12345",
    "('FA12345',)",
]


@pytest.mark.parametrize("text", WRITTEN)
@pytest.mark.parametrize("accounts", [(), ("FA12345",)], ids=["unknown", "known"])
def test_account_gets_the_same_pseudonym_wherever_it_stands(text, accounts):
    one = masker(accounts=accounts)
    expected = one.text("FA12345")

    masked = one.text(text)

    assert re.fullmatch("account-[0-9a-f]{8}", expected)
    assert expected in masked
    assert "fa12345" not in masked.lower()
    assert one.pseudonyms() == {"account": 1}


def test_other_accounts_get_other_pseudonyms_and_other_bundles_too():
    one = masker()

    assert one.text("FA12345") != one.text("FA12346")
    assert one.text("FA12345") != masker().text("FA12345")


def test_known_account_of_any_form_is_replaced():
    one = masker(accounts=("ZX9-ACME",))

    assert "acme" not in one.text("for zx9-acme: ok").lower()


def test_short_account_is_no_part_of_a_word():
    assert masker(accounts=("AB1",)).text("ab12 crab1 XAB1") == "ab12 crab1 XAB1"
    assert masker(accounts=("AB1",)).text("of ab1: ok").startswith("of account-")


@pytest.mark.parametrize(
    "text",
    [
        "anna.mueller@example.com",
        "anna.mueller%40example.com",
        'email="anna.mueller@example.com"',
    ],
)
def test_mail_address_becomes_one_pseudonym(text):
    one = masker()
    expected = one.text("anna.mueller@example.com")

    assert expected in one.text(text)
    assert "anna" not in one.text(text)


@pytest.mark.parametrize(
    "text",
    [
        '"uname": "ANNA MUELLER"',
        '{\\"uname\\": \\"ANNA MUELLER\\"}',
        "uname='ANNA MUELLER'",
        "halted by telegram:anna",
    ],
)
def test_name_of_a_person_becomes_a_pseudonym(text):
    assert "anna" not in masker().text(text).lower()
    assert "person-" in masker().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "shoonya@dashboard.service failed",
        "shoonya@risk_manager.service.d",
        "order_id=O261124-7K3M9QXZ-1 uid=1000 NFO:NIFTY28DEC27F",
        "NFO:BANKNIFTY24NOV26C48000",
        "O261124-FA123456-1",
    ],
)
def test_what_names_nobody_is_left(text):
    assert masker().text(text) == text


def test_pseudonym_is_not_given_another_one():
    one = Pseudonyms(b"key", ["FA12345"], [])
    once = one.replace('"uid": "FA12345", "uname": "ANNA", x@y.com')

    assert one.replace(once) == once
