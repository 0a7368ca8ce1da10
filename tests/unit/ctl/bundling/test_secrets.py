"""No secret is in a bundle, in whatever form it stood in the log or a file."""

import json

import pytest

from shoonya_platform.ctl.bundling import parts
from shoonya_platform.ctl.bundling.masking import Masker
from shoonya_platform.logging.formats import detail_text, escaped, fields_text
from tests.unit.ctl.bundling.conftest import ACCOUNT, COMPONENT, EVER, Machine
from tests.unit.ctl.bundling.planting import FORMS, HARD, SIMPLE, shows
from tests.unit.logging.reading.writing import text_line


def in_message(place: Machine, texts: list[str], monkeypatch) -> None:
    place.log(*(text_line(n, escaped(text)) for n, text in enumerate(texts, 1)))


def in_context(place: Machine, texts: list[str], monkeypatch) -> None:
    for number, text in enumerate(texts, 1):
        fields = fields_text({"reply": text}).strip()
        place.log(text_line(number, fields=fields))


def in_traceback(place: Machine, texts: list[str], monkeypatch) -> None:
    for number, text in enumerate(texts, 1):
        place.log(text_line(number), detail_text(f"Traceback:\nValueError: {text}"))


def in_json_lines(place: Machine, texts: list[str], monkeypatch) -> None:
    for number, text in enumerate(texts, 1):
        line = {
            "at": f"2026-11-25T09:00:{number:02d}.000+00:00",
            "level": "INFO",
            "component": COMPONENT,
            "message": text,
            "run": "r1",
            "seq": number,
        }
        place.log(json.dumps(line) + "\n", text_line(number + 100, escaped(text)))


def in_journal(place: Machine, texts: list[str], monkeypatch) -> None:
    place.journal("\n".join(["started", *texts]))


def in_config(place: Machine, texts: list[str], monkeypatch) -> None:
    place.configure(f"[shoonya]\nimei = {json.dumps(' : '.join(texts))}\n")


def in_unusable_config(place: Machine, texts: list[str], monkeypatch) -> None:
    monkeypatch.setenv("SHOONYA_WEBHOOK_SECRET", HARD)
    monkeypatch.setenv("SHOONYA_BROKER_PASSWORD", SIMPLE)
    lines = "\n".join(f"# {line}" for text in texts for line in text.split("\n"))
    place.configure(f"{lines}\nnonsense\n")


def in_drop_in(place: Machine, texts: list[str], monkeypatch) -> None:
    place.drop_in("[Service]\n" + "\n\n".join(texts))


def in_why(place: Machine, texts: list[str], monkeypatch) -> None:
    monkeypatch.setattr(parts, "tell", lambda _: "\n--\n".join(texts))


PLACES = {
    "message": in_message,
    "context": in_context,
    "traceback": in_traceback,
    "json": in_json_lines,
    "journal": in_journal,
    "config": in_config,
    "unusable-config": in_unusable_config,
    "drop-in": in_drop_in,
    "why": in_why,
}


@pytest.mark.parametrize("secret", [SIMPLE, HARD], ids=["simple", "hard"])
@pytest.mark.parametrize("plant", PLACES.values(), ids=PLACES)
def test_secret_in_every_form_is_nowhere_in_the_bundle(
    bundle, place, monkeypatch, plant, secret
):
    plant(place, [f"got {form(secret)} here" for form in FORMS.values()], monkeypatch)

    files, document = bundle()

    assert {name for name, text in files.items() if shows(text, secret)} == set()
    # It was there, and something of what it stood in still is.
    assert document["masked"]["secret"] >= len(FORMS) / 2
    assert any("***" in text for text in files.values())


@pytest.mark.parametrize("form", ["plain", "base64 alone", "hex", "every byte quoted"])
def test_secret_that_was_logged_line_by_line_is_taken_out_of_all_of_them(
    bundle, place, form
):
    text = FORMS[form](SIMPLE)
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    place.log(*(text_line(n, piece) for n, piece in enumerate(pieces, 1)))
    place.log(text_line(len(pieces) + 1, "and on it goes"))
    stamp = "2026-11-25T09:00:00+0000 host python[7]: "
    place.journal("\n".join(["begin", *pieces]).replace("\n", f"\n{stamp}"))

    files, _ = bundle()

    for name in (f"logs/{COMPONENT}.log", f"journal/{COMPONENT}.log"):
        assert not [piece for piece in pieces[1:-1] if piece in files[name]], name
    assert "and on it goes" in files[f"logs/{COMPONENT}.log"]
    assert "begin" in files[f"journal/{COMPONENT}.log"]


def test_what_the_masker_misses_is_refused_by_name_and_deleted(ctl, place, monkeypatch):
    monkeypatch.setattr(Masker, "text", lambda _, text: text)
    for number, form in enumerate(FORMS.values()):
        place.drop_in(f"# got {form(SIMPLE)} here", name=f"form-{number}.conf")

    done = ctl("bundle", *EVER, "--output", "report.tar.gz")

    assert done.code == 50
    for number, name in enumerate(FORMS):
        assert f"form-{number}.conf' shows broker_password" in done.err, name
    assert not shows(done.err + done.out, SIMPLE)
    assert not list(place.home.glob("*.tar.gz*"))
    assert not list(place.home.glob(".*"))


def test_secret_across_two_pieces_that_are_read_is_found(ctl, place, monkeypatch):
    monkeypatch.setattr(Masker, "records", lambda _, lines: "\n".join(lines) + "\n")
    filler = "x" * ((1 << 20) - len(text_line(1, "")) - 8)
    place.log(text_line(1, filler + SIMPLE))

    assert ctl("bundle", *EVER).code == 50


def test_secret_in_the_name_of_a_file_is_masked_there(bundle, place):
    place.drop_in("[Service]\n", name=f"{SIMPLE}.conf")

    files, _ = bundle()

    assert any(name.endswith("/***.conf") for name in files)


def test_secret_that_only_a_drop_in_has_is_known_everywhere(bundle, place):
    value = "token-of-the-telegram-bot-417"
    place.drop_in(f'[Service]\nEnvironment="SHOONYA_TELEGRAM_TOKEN={value}"\n')
    place.log(text_line(1, f"asked {value} for news"))

    files, _ = bundle()

    assert {name for name, text in files.items() if value in text} == set()


def test_session_of_the_broker_is_known(bundle, place):
    folder = place.home / "state" / "shoonya"
    folder.mkdir()
    (folder / "session.json").write_text('{"token": "0123456789abcdef77"}')
    place.log(text_line(1, "got 0123456789abcdef77"))

    files, _ = bundle()

    assert "got ***" in files[f"logs/{COMPONENT}.log"]


def test_pieces_of_an_address_are_secret_too(bundle, place):
    place.secret("notify_urls", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
    place.log(text_line(1, "POST /services/TIiajkdnlazkcOXrIdevi7FQ"))

    files, _ = bundle()

    assert "POST /services/***" in files[f"logs/{COMPONENT}.log"]


def test_words_of_the_failure_command_are_not_shown(bundle, place):
    place.configure('[failure]\ncommand = ["curl", "--user", "me-and-mine"]\n')

    files, _ = bundle()

    assert "me-and-mine" not in files["config.json"]
    assert "curl" in files["config.json"]


def test_variable_with_a_telling_name_in_a_unit_is_not_shown(bundle, place):
    place.drop_in('[Service]\nEnvironment=AWS_SECRET_KEY=abc1 "X_TOKEN=def2" LANG=C\n')

    files, _ = bundle()
    (text,) = (text for name, text in files.items() if name.endswith("override.conf"))

    assert "abc1" not in text
    assert "def2" not in text
    assert "LANG=C" in text


# -- pseudonyms ----------------------------------------------------------------


def test_account_has_one_pseudonym_in_all_of_a_bundle(bundle, place):
    place.configure(f'[shoonya]\nuser_id = "{ACCOUNT}"\n')
    place.log(text_line(1, f"logged in as {ACCOUNT}", fields=f"uid={ACCOUNT}"))
    place.log(text_line(1, f"{ACCOUNT} of anna@example.com"), component="dashboard")
    place.journal(f"feed of {ACCOUNT.lower()} is up")
    place.drop_in(f"# of {ACCOUNT}\n")

    files, document = bundle()
    config = json.loads(files["config.json"])
    pseudonym = config["settings"]["shoonya.user_id"]["value"]

    assert pseudonym.startswith("account-")
    for name in (
        f"logs/{COMPONENT}.log",
        "logs/dashboard.log",
        f"journal/{COMPONENT}.log",
    ):
        assert pseudonym in files[name], name
    for name, text in files.items():
        assert ACCOUNT.lower() not in text.lower(), name
        assert "anna" not in text
    assert document["pseudonyms"] == {"account": 1, "mail": 1}


# -- what is in it -------------------------------------------------------------
