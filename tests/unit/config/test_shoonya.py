"""The settings and secrets of the Shoonya broker."""

import os

import pytest

from shoonya_platform.clock import SystemClock
from shoonya_platform.config.loader import load
from shoonya_platform.errors import ConfigError, SecretMissing
from shoonya_platform.services.parts import open_shoonya, shoonya_account


@pytest.fixture
def write(tmp_path):
    def call(text: str, broker: str = "shoonya", market_hours: str = "exchange"):
        path = tmp_path / "shoonya.toml"
        path.write_text(
            f'[broker]\nname = "{broker}"\n[paths]\nstate_dir = "{tmp_path}/state"\n'
            f'credentials_dir = "{tmp_path}"\n'
            f'[guard]\nmarket_hours = "{market_hours}"\n[shoonya]\n{text}'
        )
        return load(path, {})

    return call


def test_user_id_is_needed_for_shoonya_only(write):
    write("", broker="paper")

    with pytest.raises(ConfigError, match=r"shoonya\.user_id"):
        write("")


@pytest.mark.parametrize(
    "url", ["http://api.example/", "ws://10.0.0.1/", "ftp://x/", "api.example"]
)
@pytest.mark.parametrize("name", ["api_url", "websocket_url", "login_url", "scrip_url"])
def test_password_goes_nowhere_unencrypted(write, name, url):
    with pytest.raises(ConfigError, match=f"shoonya.{name}"):
        write(f'user_id = "U1"\n{name} = "{url}"')


def test_this_machine_may_be_asked_in_the_clear(write):
    write('user_id = "U1"\napi_url = "http://127.0.0.1:8900/x/"')


@pytest.mark.parametrize("url", ["", "https://api.example/x/"])
def test_real_broker_needs_the_exchanges_hours(write, url):
    text = f'user_id = "U1"\napi_url = "{url}"'
    write(text)
    write(text, broker="paper", market_hours="round_the_clock")

    with pytest.raises(ConfigError, match=r"guard\.market_hours.*'exchange'"):
        write(text, market_hours="round_the_clock")


def test_simulator_trades_round_the_clock(write):
    text = 'user_id = "U1"\napi_url = "http://127.0.0.1:8900/x/"'
    write(text, market_hours="round_the_clock")


@pytest.mark.parametrize(
    ("generation", "path"), [("oauth", "API"), ("quickauth", "TP")]
)
def test_addresses_follow_the_generation(write, generation, path):
    account = shoonya_account(write(f'user_id = "U1"\ngeneration = "{generation}"'))

    assert account.api_url.endswith(f"/NorenWClient{path}/")
    assert account.vendor_code == "U1_U"


def test_quickauth_does_not_begin_without_its_secrets(write, tmp_path):
    config = write('user_id = "U1"\ngeneration = "quickauth"')
    for name in ("broker_api_secret", "broker_password"):
        (tmp_path / name).write_text("long enough")

    with pytest.raises(SecretMissing, match="broker_totp_secret"):
        open_shoonya(config, SystemClock(), print)


def test_token_of_the_newest_file_counts(write, tmp_path):
    handed_over = tmp_path / "systemd"
    handed_over.mkdir()
    (handed_over / "broker_access_token").write_text("of this morning\n")
    own = tmp_path / "broker_access_token"
    own.write_text("of yesterday\n")
    os.utime(own, (1, 1))
    config = load(
        write('user_id = "U1"').path, {"CREDENTIALS_DIRECTORY": str(handed_over)}
    )
    secret = shoonya_account(config).secret
    assert secret("broker_access_token") == "of this morning"

    own.write_text("of just now\n")
    os.utime(handed_over / "broker_access_token", (1, 1))

    assert secret("broker_access_token") == "of just now"


def test_account_shows_no_secret(write, tmp_path):
    (tmp_path / "broker_access_token").write_text("a secret token")
    account = shoonya_account(write('user_id = "U1"'))
    assert account.secret("broker_access_token") == "a secret token"

    assert "a secret token" not in repr(account)
    assert "secret=" not in repr(account)
