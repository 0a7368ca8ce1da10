"""shoonyactl logs received: what it prints, and its codes."""

from tests.unit.logging.reading.writing import text_line


def lines(*numbers):
    return "".join(text_line(number) for number in numbers)


def test_all_that_came_once_is_0(ctl):
    result = ctl("logs", "received", stdin=lines(1, 2, 3) + "    | more\n")

    assert result.code == 0
    assert "checked 1 runs: 3 records, 1 other lines" in result.out
    assert "nothing is missing" in result.out


def test_lost_line_is_named_and_41(ctl):
    result = ctl("logs", "received", stdin=lines(1, 2, 4))

    assert result.code == 41
    assert "risk_manager run=r1: 1 missing" in result.out
    assert "\n  3\n" in result.out


def test_beginning_that_came_before_the_agent_is_0(ctl):
    result = ctl("logs", "received", stdin=lines(7, 8))

    assert result.code == 0
    assert "before the first record that came" in result.out


def test_what_the_sender_counted_is_40(ctl):
    told = text_line(3, fields="event=file_gap lost=1")

    assert ctl("logs", "received", stdin=lines(1) + told).code == 40


def test_file_and_json(ctl, tmp_path):
    path = tmp_path / "received.log"
    path.write_text(lines(1, 3))

    result = ctl("logs", "received", str(path), "--json")

    assert result.code == 41
    assert result.document["records"] == 2
    assert result.document["findings"][0]["ranges"] == [[2, 2]]


def test_input_without_records_is_not_called_complete(ctl):
    result = ctl("logs", "received", stdin="something else\n")

    assert result.code == 4
    assert "no record of ours in 1 lines" in result.err


def test_it_needs_no_configuration(ctl, home, monkeypatch):
    monkeypatch.setenv("SHOONYA_CONFIG", str(home / "none.toml"))

    assert ctl("logs", "received", stdin=lines(1)).code == 0
