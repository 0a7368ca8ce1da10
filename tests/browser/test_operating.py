"""What an operator does with the dashboard when something is wrong."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from shoonya_platform.clock import SystemClock
from shoonya_platform.services import findings
from shoonya_platform.services.findings import Finding, Level
from tests.acceptance.platform import Platform
from tests.browser.test_dashboard import CONTRAST, log_in, serious

FOUND = (
    Finding(check="clock", level=Level.OK, sentence="the clock is right"),
    Finding(
        check="journal",
        level=Level.ERROR,
        sentence="journald keeps nothing over a restart",
        command="sudo mkdir -p /var/log/journal && sudo systemctl restart " + "x" * 150,
    ),
)


@pytest.fixture
def platform() -> Iterator[Platform]:
    """All eight, as `shoonyactl up` runs them."""
    with tempfile.TemporaryDirectory() as name, Platform(Path(name)) as platform:
        yield platform


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)]
)
def test_killed_service_is_red_until_it_runs_again(platform, open_page, scheme, width):
    page = open_page(
        f"http://127.0.0.1:{platform.dashboard_port}",
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
    )
    row = page.get_by_role("row").filter(
        has=page.get_by_role("rowheader", name="order_watcher")
    )
    green, red = row.locator(".state.good"), row.locator(".state.bad")
    expect(green).to_have_text("running")
    first = platform.pids()["order_watcher"]
    platform.kill("order_watcher")
    expect(row).to_contain_text("killed by SIGKILL", timeout=10_000)
    expect(green).to_have_text("running", timeout=10_000)

    # Its second pause, of 4 s, is long enough to be looked at.
    second = platform.pids()["order_watcher"]
    platform.kill("order_watcher")

    expect(red).to_have_text("backoff", timeout=10_000)
    expect(row).to_contain_text(re.compile(r"restarts in \d s \(2 of 3\)"))
    expect(row).to_contain_text("killed by SIGKILL")
    # And above all else, where the table is longer than the window.
    warning = page.get_by_text("order_watcher is backoff")
    expect(warning).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == {}
    expect(green).to_have_text("running", timeout=10_000)
    expect(red).to_have_count(0)
    expect(warning).to_have_count(0)
    assert len({first, second, platform.pids()["order_watcher"]}) == 3


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_finding_leads_from_overview_to_its_command(
    dashboard, open_page, width, scheme
):
    state_dir = dashboard.home / "state"
    findings.keep(state_dir, FOUND, now=SystemClock().now(), by="asha")
    page = open_page(
        dashboard.url,
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
    )
    main = page.get_by_role("main")

    expect(main).to_contain_text("journald keeps nothing over a restart")
    main.get_by_role("link", name="Health").click()

    expect(page.locator(".findings code")).to_have_text(FOUND[1].command)
    expect(page.get_by_role("region", name="Log files")).to_be_visible()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_findings_appear_by_themselves(dashboard, open_page):
    page = open_page(dashboard.url + "/machine")
    expect(page.get_by_role("main")).to_contain_text("Nobody has asked the doctor")

    state_dir = dashboard.home / "state"
    findings.keep(state_dir, FOUND, now=SystemClock().now(), by="asha")

    expect(page.get_by_role("main")).to_contain_text("by asha")


def test_picture_of_an_order_is_drawn(dashboard, ledger, open_page):
    ledger.filled(ledger.order(), "100")

    page = open_page(dashboard.url + "/orders/1")

    picture = page.get_by_role("img", name="The order’s way: execution_service")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 500


def tab_to(page: Page, words: str) -> None:
    """Press Tab until what says that has the keyboard."""
    for _ in range(40):
        page.keyboard.press("Tab")
        focus = "(document.activeElement.innerText || '').trim()"
        if page.evaluate(focus) == words:
            return
    raise AssertionError(f"Tab does not lead to {words!r}")


def test_trading_is_halted_with_the_keyboard_alone(locked, open_page):
    page = open_page(locked.url)
    log_in(page)
    expect(page.get_by_role("region", name="Trading state")).to_contain_text("ACTIVE")

    tab_to(page, "Halt")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Why, for the record")).to_be_visible()
    tab_to(page, "Halt trading")
    page.keyboard.press("Enter")

    expect(page.get_by_role("region", name="Trading state")).to_contain_text("HALTED")


def test_each_view_is_reached_with_the_keyboard(dashboard, open_page):
    page = open_page(dashboard.url)

    for view in ("Orders", "Alerts", "Log", "Health", "Overview"):
        tab_to(page, view)
        page.keyboard.press("Enter")
        current = page.locator("nav.views [aria-current]")
        expect(current).to_have_text(view)
