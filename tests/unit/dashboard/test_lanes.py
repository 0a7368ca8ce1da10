"""The order page's picture, and the log's lines of the order."""

import base64
import hashlib
import json
import re
from xml.etree import ElementTree

from tests.unit.dashboard.ledger import BEGIN
from tests.unit.dashboard.test_pages import text_of


def log(folder, component, text, order_id):
    """Append a line of the order's own time."""
    at = BEGIN.astimezone()
    with (folder / f"{component}.log").open("a") as file:
        file.write(
            f"{at:%Y-%m-%d %H:%M:%S}.500 | INFO     | {component.upper():<20} | "
            f"{text} | order_id={order_id} run=r1 seq=1\n"
        )


def test_picture_is_svg_whose_style_its_own_policy_allows(client, ledger):
    order = ledger.filled(ledger.order(), "812.45")

    page = client.get(f"/orders/{order.order_id}").text
    [address] = re.findall(r'<img src="(/orders/[^"]+)" alt="[^"]+filled"', page)
    answer = client.get(address)

    assert answer.headers["content-type"] == "image/svg+xml"
    root = ElementTree.fromstring(answer.text)  # noqa: S314 - our own
    style = root.findtext("{http://www.w3.org/2000/svg}style")
    assert style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "sha256" not in client.get("/").headers["content-security-policy"]


def test_picture_changes_its_address_with_each_event(client, ledger):
    order = ledger.order()
    before = re.findall(r"/orders/1\.svg\?events=\d+", client.get("/orders/1").text)

    ledger.accepted(order)

    after = re.findall(r"/orders/1\.svg\?events=\d+", client.get("/orders/1").text)
    assert before != after


def test_lines_of_the_order_and_no_others_are_shown(client, ledger, tmp_path):
    order, other = ledger.filled(ledger.order(), "100"), ledger.order()
    log(tmp_path, "risk_manager", "passed <b>it</b>", order.order_id)
    log(tmp_path, "risk_manager", "something else", other.order_id)

    html = client.get(f"/fragments/lines/{order.order_id}").text
    text = text_of(html)

    assert "risk_manager passed" in text
    assert "&lt;b&gt;it" in html
    assert "something else" not in text
    assert "no line of order_watcher is in the log" in text


def test_lines_are_looked_for_anew_after_a_while(client, ledger, tmp_path, clock):
    order = ledger.filled(ledger.order(), "100")
    address = f"/fragments/lines/{order.order_id}"
    assert "came late" not in client.get(address).text
    log(tmp_path, "risk_manager", "came late", order.order_id)

    clock.advance(6)

    assert "came late" in client.get(address).text


def test_lines_of_the_journal_stand_with_them_where_it_may_be_read(
    open_client, ledger, tmp_path, monkeypatch
):
    order = ledger.filled(ledger.order(), "100")
    log(tmp_path, "risk_manager", "is in both", order.order_id)
    entries = [
        {
            "SHOONYA_LOGGED_AT_USEC": str(int(BEGIN.timestamp() * 1_000_000) + number),
            "SHOONYA_COMPONENT": "risk_manager",
            "SHOONYA_RUN": "r1",
            "SHOONYA_SEQ": str(number),
            "PRIORITY": "6",
            "MESSAGE": text,
        }
        for number, text in ((1, "is in both"), (2, "is in the journal"))
    ]
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    shown = "\n".join(json.dumps(entry) for entry in entries)
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{shown}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    address = f"/fragments/lines/{order.order_id}"

    with open_client(journal=True) as client:
        both = text_of(client.get(address).text)
    with open_client(journal=False) as client:
        files = text_of(client.get(address).text)

    assert both.count("is in both") == 1
    assert "is in the journal" in both
    assert "is in both" in files
    assert "is in the journal" not in files


def test_picture_and_lines_of_no_order_are_404(client):
    assert client.get("/orders/7.svg").status_code == 404
    assert client.get("/fragments/lines/7").status_code == 404


def test_picture_is_behind_the_wall(open_client, ledger):
    ledger.order()
    locked = open_client(password_hash="$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAA")

    answer = locked.get("/orders/1.svg", follow_redirects=False)

    assert answer.status_code == 303
    assert "login" in answer.headers.get("location", "")
