"""`shoonyactl bundle` over real log files and a store; only the journal is made up."""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl import doctor
from shoonya_platform.ctl.bundling import machine, making, parts, shelf
from shoonya_platform.ctl.bundling.masking import Masker
from shoonya_platform.logging.formats import detail_text, escaped, fields_text
from shoonya_platform.testing.orders import store_order
from tests.unit.ctl.bundling.planting import FORMS, HARD, SIMPLE, shows
from tests.unit.logging.reading.writing import text_line

COMPONENT = "risk_manager"
EVER = ("--since", "2026-01-01")
ACCOUNT = "FA12345"

_JOURNALCTL = """#!/bin/sh
case "$*" in
*--output=json*) echo '{"__REALTIME_TIMESTAMP": "1764000000000000"}' ;;
*risk_manager*) cat "$(dirname "$0")/entries" ;;
esac
"""


@dataclass
class Machine:
    """The places that a bundle looks at."""

    home: Path

    def log(self, *lines: str, component: str = COMPONENT) -> None:
        path = self.home / "logs" / f"{component}.log"
        with path.open("a") as file:
            file.writelines(lines)
        # As new as its records are.
        written = datetime(2026, 11, 25, 12).astimezone().timestamp()
        os.utime(path, (written, written))

    def journal(self, text: str) -> None:
        folder = self.home / "bin"
        folder.mkdir()
        (folder / "journalctl").write_text(_JOURNALCTL)
        (folder / "journalctl").chmod(0o755)
        lines = re.sub(r"\n(?!20)", "\n    ", text)
        entry = f"2026-11-25T09:00:00+0000 host python[7]: {lines}\n"
        (folder / "entries").write_text(entry)
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"

    def configure(self, text: str) -> None:
        with (self.home / "shoonya.toml").open("a") as file:
            file.write(text)

    def drop_in(self, text: str, name: str = "override.conf") -> None:
        folder = self.home / "units" / "shoonya@.service.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    def secret(self, name: str, value: str) -> None:
        (self.home / "credentials" / name).write_text(f"{value}\n")


@pytest.fixture
def place(home, monkeypatch):
    """A machine with two secrets, and nothing of the one that the tests run on."""
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(machine, "UNIT_FOLDERS", (home / "units",))
    monkeypatch.setattr(doctor, "examine", lambda _: [])
    found = Machine(home)
    found.secret("webhook_secret", HARD)
    found.secret("broker_password", SIMPLE)
    return found


@pytest.fixture
def bundle(ctl, place):
    """Make a bundle; return what is in it, by name, and the JSON that was printed."""

    def make(*arguments: str):
        done = ctl("bundle", *EVER, "--json", *arguments)
        assert done.code == 0, done.err
        return unpacked(Path(done.document["path"])), done.document

    return make


def unpacked(path: Path) -> dict[str, str]:
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            found[member.name.partition("/")[2]] = content.read().decode()
    return found


# -- no secret -----------------------------------------------------------------


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


def test_bundle_has_each_part(bundle, place, store):
    store_order(store)
    place.log(text_line(1, "all is well"))
    place.journal("started")
    place.drop_in("[Service]\nMemoryMax=1G\n")

    files, _ = bundle()

    assert "all is well" in files[f"logs/{COMPONENT}.log"]
    assert "host python[7]: started" in files[f"journal/{COMPONENT}.log"]
    assert {f"why/{name}.txt" for name in COMPONENTS} <= set(files)
    assert {s["service"] for s in json.loads(files["status.json"])["services"]} == set(
        COMPONENTS
    )
    assert json.loads(files["doctor.json"]) == {"findings": []}
    assert json.loads(files["config.json"])["settings"]["webhook.port"]["value"] == 5000
    versions = json.loads(files["versions.json"])
    assert {"shoonya_platform", "python", "systemd", "kernel", "os"} <= set(versions)
    facts = json.loads(files["databases.json"])
    assert facts["orders.db"]["rows"]["orders"] == 1
    assert facts["orders.db"]["schema_version"] > 0
    assert facts["paper.db"] == "there is none"
    assert any("MemoryMax=1G" in text for text in files.values())


def test_manifest_has_the_sum_of_each_file(bundle, place):
    place.log(*(text_line(number) for number in range(1, 500)))

    files, document = bundle()
    manifest = json.loads(files.pop("manifest.json"))

    assert {
        entry["name"]: (entry["bytes"], entry["sha256"]) for entry in manifest["files"]
    } == {
        name: (len(text.encode()), hashlib.sha256(text.encode()).hexdigest())
        for name, text in files.items()
    }
    assert manifest["masked"] == document["masked"]
    assert manifest["searched_for"] == ["broker_password", "webhook_secret"]


def test_services_and_time_that_are_asked_for_alone_are_in_it(ctl, place):
    place.log(text_line(1, "early"), text_line(7200, "late"))
    place.log(text_line(7200, "other"), component="dashboard")

    done = ctl("bundle", COMPONENT, "--since", "2026-11-25 10:00", "--json")
    files = unpacked(Path(done.document["path"]))

    assert "late" in files[f"logs/{COMPONENT}.log"]
    assert "early" not in files[f"logs/{COMPONENT}.log"]
    assert "logs/dashboard.log" not in files
    assert "why/dashboard.txt" not in files


def test_missing_records_are_marked(bundle, place):
    place.log(text_line(1), text_line(2), text_line(5))

    files, _ = bundle()

    assert "-- 2 records missing here" in files[f"logs/{COMPONENT}.log"]


# -- limits --------------------------------------------------------------------


def test_oldest_lines_go_first_and_the_manifest_says_so(bundle, place, monkeypatch):
    monkeypatch.setattr(shelf, "SEGMENT_BYTES", 8192)
    noise = [hashlib.sha512(str(n).encode()).hexdigest() for n in range(3000)]
    place.log(*(text_line(n, noise[n]) for n in range(1, 3000)))
    place.log(text_line(1, "of old"), text_line(2999, "new"), component="dashboard")

    files, document = bundle("--max-size", "100k")
    kept = files[f"logs/{COMPONENT}.log"].splitlines()
    gone = json.loads(files["manifest.json"])["left_out"][f"logs/{COMPONENT}.log"]

    assert Path(document["path"]).stat().st_size <= 100 * 1024
    assert document["bytes"] == Path(document["path"]).stat().st_size
    assert kept[-1].endswith("seq=2999")
    assert gone["lines"] + len(kept) == 2999
    assert kept[0] > gone["until"]
    assert len(kept) > 300
    assert "new" in files["logs/dashboard.log"]


def test_archive_that_came_out_too_large_is_written_again(bundle, place, monkeypatch):
    monkeypatch.setattr(making, "_RESERVE", -40_000)
    monkeypatch.setattr(shelf, "SEGMENT_BYTES", 8192)
    noise = [hashlib.sha512(str(n).encode()).hexdigest() for n in range(3000)]
    place.log(*(text_line(n, noise[n]) for n in range(1, 3000)))

    files, document = bundle("--max-size", "100k")

    assert document["bytes"] <= 100 * 1024
    assert "seq=2999" in files[f"logs/{COMPONENT}.log"]


def test_no_room_for_the_rest_is_an_error_that_says_how_much(ctl, place):
    done = ctl("bundle", "--max-size", "2k")

    assert done.code == 1
    assert "--max-size 1M" in done.err
    assert not list(place.home.glob("*.tar.gz"))


@pytest.mark.parametrize("size", ["much", "-1", ""])
def test_size_that_is_none_is_wrong_usage(ctl, place, size):
    assert ctl("bundle", "--max-size", size).code == 2


# -- a broken machine ----------------------------------------------------------


def test_what_cannot_be_had_is_left_out_and_told(bundle, place, monkeypatch):
    def broken(_):
        raise RuntimeError(f"no luck with {SIMPLE}")

    monkeypatch.setattr(doctor, "examine", broken)
    (place.home / "state" / "orders.db").write_bytes(b"garbage" * 1000)
    monkeypatch.setenv("PATH", "")
    (place.home / "logs").rename(place.home / "elsewhere")

    files, document = bundle()
    unreadable = json.loads(files["manifest.json"])["unreadable"]

    assert unreadable == document["unreadable"]
    assert unreadable["doctor.json"] == "RuntimeError: no luck with ***"
    assert "StoreDamaged" in unreadable["databases.json"]
    assert "journalctl" in unreadable["journal"]
    assert "no log directory" in unreadable["logs"]
    assert "doctor.json" not in files
    assert "config.json" in files


def test_unusable_configuration_is_in_it_as_it_stands(bundle, place):
    place.configure("[webhook]\nport = 'five thousand'\n")

    files, document = bundle()

    assert "webhook.port" in document["unreadable"]["config.json"]
    assert "five thousand" in files["shoonya.toml"]


def test_damaged_archive_of_the_log_is_told(bundle, place):
    place.log(text_line(2))
    (place.home / "logs" / f"{COMPONENT}.log.2.zst").write_bytes(b"no archive")

    files, document = bundle()

    assert f"logs/{COMPONENT}.log" in document["unreadable"]
    assert "seq=2" in files[f"logs/{COMPONENT}.log"]


def test_who_may_not_read_a_secret_is_told_that_it_was_not_searched(
    ctl, place, monkeypatch
):
    place.log(text_line(1))
    real = Path.read_text

    def refused(self, *arguments, **options):
        if self.name == "broker_password":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refused)

    done = ctl("bundle", *EVER)

    assert done.code == 0, done.err
    assert "not searched for: broker_password" in done.out
    assert "with sudo" in done.out


@pytest.mark.parametrize("closed", ["shoonya.toml", "logs", "state", "credentials"])
def test_who_may_not_read_something_gets_the_rest(place, closed):
    """In a process of its own, for which modes hold even where it is root's."""
    place.log(text_line(1))
    (place.home / closed).chmod(0)
    path = place.home / "report.tar.gz"
    program = "from shoonya_platform.ctl.main import main; main()"
    command = [sys.executable, "-c", program, "bundle", *EVER, "--json"]
    without = "-dac_override,-dac_read_search"
    bound = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"]

    done = subprocess.run(
        [*(bound if os.geteuid() == 0 else []), *command, "--output", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "versions.json" in unpacked(path)
    assert any(
        "denied" in reason.lower() or "not permitted" in reason.lower()
        for reason in (
            *told["unreadable"].values(),
            *told["secrets_not_searched"].values(),
        )
    )


# -- the file ------------------------------------------------------------------


def test_archive_is_private_and_nothing_else_is_left(ctl, place):
    before = set(place.home.iterdir())

    done = ctl("bundle", *EVER)
    (path,) = set(place.home.iterdir()) - before

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_nlink == 1
    last = done.out.splitlines()[-1]
    assert last.startswith(str(path))
    assert "manifest.json" in last


def test_output_may_be_a_folder_or_a_file(ctl, place):
    (place.home / "kept").mkdir()

    in_folder = ctl("bundle", "--json", "--output", "kept").document["path"]
    as_file = ctl("bundle", "--json", "--output", "mine.tar.gz").document["path"]

    assert Path(in_folder).parent == place.home / "kept"
    assert as_file == str(place.home / "mine.tar.gz")


def test_file_that_is_there_is_not_written_over(ctl, place):
    path = place.home / "mine.tar.gz"
    path.write_text("mine")

    done = ctl("bundle", "--output", str(path))

    assert done.code == 1
    assert path.read_text() == "mine"


def test_folder_that_is_not_there_is_an_error(ctl, place):
    done = ctl("bundle", "--output", "nowhere/mine.tar.gz")

    assert done.code == 1
    assert "hint: name another place" in done.err


def test_behind_sudo_it_belongs_to_who_asked(ctl, place, monkeypatch):
    owners = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, *owner: owners.append(owner))
    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "4321")

    assert ctl("bundle").code == 0
    assert owners == [(1234, 4321)]
