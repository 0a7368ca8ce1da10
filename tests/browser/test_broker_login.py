"""The daily login at the broker in a browser, over the simulated broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shoonya_platform.clock import SystemClock
from shoonya_platform.ctl.simulate import settings_text
from shoonya_platform.testing.noren.server import NorenSimulator
from tests.browser.conftest import PASSWORD, Dashboard


@pytest.fixture
def simulator() -> Iterator[NorenSimulator]:
    with NorenSimulator("oauth", clock=SystemClock()) as running:
        yield running


@pytest.fixture
def live(dashboard: Dashboard, simulator: NorenSimulator) -> Dashboard:
    """The dashboard of a live account, with a password."""
    dashboard.stop()
    with (dashboard.home / "shoonya.toml").open("a") as file:
        file.write("\n" + settings_text(simulator.platform_settings()))
    for name, value in simulator.platform_secrets().items():
        (dashboard.home / "credentials" / name).write_text(value)
    dashboard.set_password(PASSWORD)
    dashboard.start()
    return dashboard


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_login_from_the_link_to_the_session(live, simulator, open_page, width, scheme):
    page = open_page(
        f"{live.url}/",
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
        may_complain=True,
    )
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="log in").click()

    assert "not logged in at the broker" in page.inner_text("main")
    fits = (
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    assert page.evaluate(fits)

    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the broker").click()
    opened.value.wait_for_url("**/done?code=*")
    address = opened.value.url
    opened.value.close()
    page.get_by_label("The address, or the code in it").fill("wrong-code")
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_role("alert").wait_for()
    assert "refused the code" in page.inner_text("main")
    assert page.evaluate(fits)

    page.get_by_label("The address, or the code in it").fill(address)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_text("Logged in").wait_for()

    assert simulator.access.logins == 1
    session = live.home / "state" / "shoonya" / "session.json"
    assert session.stat().st_mode & 0o777 == 0o600
    assert "SIM0001" in session.read_text()
