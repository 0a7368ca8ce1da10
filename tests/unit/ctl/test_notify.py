"""shoonyactl notify test: a real message to a real receiver."""

from shoonya_platform.testing.receiver import Receiver


def test_message_is_sent_to_each_address(ctl, home):
    with Receiver() as one, Receiver() as two:
        urls = home / "credentials" / "notify_urls"
        urls.write_text(f"{one.url}\n{two.url}\n")

        result = ctl("notify", "test", "--json")
        assert result.code == 0
        assert [each["taken"] for each in result.document] == [True, True]
        assert "notifications arrive here" in one.bodies[0]

        two.status = 500
        result = ctl("notify", "test")

    assert result.code == 1
    assert "address 2 (json)  not taken" in result.out
    assert "127.0.0.1" not in result.out + result.err


def test_missing_secret_says_where_it_belongs(ctl):
    result = ctl("notify", "test")

    assert result.code == 11
    assert "notify_urls" in result.err
