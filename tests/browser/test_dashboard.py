"""The dashboard as a person sees it."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.domain.orders import OrderTrigger
from shoonya_platform.domain.trading import TradingState
from tests.browser.conftest import PASSWORD
from tests.unit.dashboard.test_log import write

ATTACK = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>"

#: Contrast that WCAG AA asks of text.
LEAST_CONTRAST = 4.5

CONTRAST = """
() => {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const rgb = (colour, under) => {
    context.fillStyle = `rgb(${under})`;
    context.fillRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = ([r, g, b]) => [r, g, b]
    .map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      layers.unshift(getComputedStyle(e).backgroundColor);
    }
    return layers.reduce((under, layer) => rgb(layer, under), [255, 255, 255]);
  };
  const poor = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility() || element.closest("noscript")) continue;
    const back = behind(element);
    const pair = [light(rgb(getComputedStyle(element).color, back)), light(back)];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < LEAST) poor[text] = ratio;
  }
  return poor;
}
""".replace("LEAST", str(LEAST_CONTRAST))


def every_state(ledger) -> None:
    """Fill the page with what a day leaves behind, long words included."""
    ledger.filled(ledger.order(symbol="NIFTY27JAN26C25700"), "102.35")
    ledger.filled(ledger.order(quantity=100, price=Decimal(99)), "98.95", quantity=40)
    order = ledger.order(strategy="W" * 64, symbol="BANKNIFTY27JAN26C52000W1234567")
    ledger.move(
        "execution_guard",
        ledger.move("risk_manager", order, OrderTrigger.RISK_PASSED),
        OrderTrigger.DENIED,
        reason="QUANTITY_NOT_IN_LOTS: quantity=10, lot_size=" + "7" * 90,
    )
    unknown = ledger.order(strategy="Supertrend")
    unknown = ledger.move("risk_manager", unknown, OrderTrigger.RISK_PASSED)
    unknown = ledger.move("execution_guard", unknown, OrderTrigger.GUARD_PASSED)
    unknown = ledger.move("command_service", unknown, OrderTrigger.SUBMITTED)
    ledger.move("command_service", unknown, OrderTrigger.OUTCOME_UNKNOWN)
    ledger.alert(strategy="received only")


def test_home_shows_eight_services_and_an_order(dashboard, ledger, open_page):
    order = ledger.filled(ledger.order(symbol="RELIANCE-EQ"), "1452.30")

    page = open_page(dashboard.url)

    services = page.get_by_role("region", name="Services")
    for name in COMPONENTS:
        expect(services.get_by_role("rowheader", name=name, exact=True)).to_be_visible()
    expect(
        services.get_by_role("row").filter(has_text="serving http://")
    ).to_contain_text("running")
    row = (
        page.get_by_role("region", name="Orders")
        .get_by_role("row")
        .filter(has_text="RELIANCE-EQ")
    )
    expect(row).to_contain_text("filled")
    expect(row).to_contain_text("1452.30")
    expect(row.get_by_role("link")).to_have_attribute(
        "href", f"/orders/{order.order_id}"
    )
    expect(page.get_by_role("status")).to_have_text("live")


def test_order_leads_to_its_timeline_over_the_services(dashboard, ledger, open_page):
    ledger.filled(ledger.order(), "812.45")

    page = open_page(dashboard.url)
    page.get_by_role("link", name="Order 1").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("SBIN-EQ")
    steps = page.get_by_role("region", name="Timeline").get_by_role("listitem")
    expect(steps).to_have_count(8)
    for number, (service, what) in enumerate(
        [
            ("execution_service", "alert received"),
            ("trading_bot", "initialized"),
            ("trading_bot", "alert planned"),
            ("risk_manager", "risk passed"),
            ("execution_guard", "guard passed"),
            ("command_service", "submitted"),
            ("command_service", "accepted"),
            ("order_watcher", "filled"),
        ]
    ):
        expect(steps.nth(number)).to_contain_text(service)
        expect(steps.nth(number)).to_contain_text(what)
        expect(steps.nth(number)).to_contain_text(" ms" if number else "begin")


def test_new_order_and_new_status_appear_by_themselves(dashboard, ledger, open_page):
    page = open_page(dashboard.url)
    orders = page.get_by_role("region", name="Orders")
    expect(orders).to_contain_text("No orders yet")

    order = ledger.order()
    expect(orders.get_by_role("row").nth(1)).to_contain_text("initialized")
    orders.get_by_role("link", name="Order 1").focus()
    ledger.filled(order, "100")
    expect(orders.get_by_role("row").nth(1)).to_contain_text("filled")

    # Replacing the part did not take the keyboard from where it was.
    expect(orders.get_by_role("link", name="Order 1")).to_be_focused()


def test_dead_dashboard_is_said_and_its_return_too(dashboard, ledger, open_page):
    ledger.order()
    page = open_page(dashboard.url, may_complain=True)
    status = page.get_by_role("status")

    assert dashboard.stop() == 0
    expect(status).to_have_text("dashboard is not answering, retrying", timeout=10_000)
    # What was known last is still to be read.
    expect(page.get_by_role("link", name="Order 1")).to_be_visible()

    dashboard.start()
    expect(status).to_have_text("live", timeout=10_000)


def test_page_is_whole_without_its_script(dashboard, ledger, open_page):
    ledger.filled(ledger.order(), "100")

    page = open_page(dashboard.url, java_script_enabled=False)

    services = page.get_by_role("region", name="Services")
    expect(services.get_by_role("rowheader")).to_have_count(8)
    page.get_by_role("link", name="Order 1").click()
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.get_by_role("listitem")).to_have_count(8)


@pytest.mark.parametrize("width", [320, 390, 768, 1000, 1280])
def test_nothing_is_wider_than_the_window(dashboard, ledger, open_page, width):
    every_state(ledger)

    for path in (
        "/",
        "/orders/1",
        "/orders/3",
        "/orders/99",
        "/log",
        "/alerts",
        "/machine",
    ):
        page = open_page(
            dashboard.url + path,
            may_complain=path == "/orders/99",
            viewport={"width": width, "height": 800},
        )

        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_scheme_and_can_be_read(
    dashboard, ledger, open_page, scheme
):
    every_state(ledger)

    for path in ("/", "/orders/1", "/orders/3"):
        page = open_page(dashboard.url + path, color_scheme=scheme)

        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades = [int(part) for part in background[4:-1].split(",")]
        assert all((shade < 64) is (scheme == "dark") for shade in shades)
        assert page.evaluate(CONTRAST) == {}


def test_strategy_with_html_is_text(dashboard, ledger, open_page):
    ledger.order(strategy=ATTACK)

    for path in ("/", "/orders/1"):
        page = open_page(dashboard.url + path)
        main = page.get_by_role("main")

        expect(main).to_contain_text(ATTACK)
        expect(main.locator("img[src='x'], b")).to_have_count(0)
        expect(page).not_to_have_title("taken")


def log_in(page: Page, password: str = PASSWORD) -> None:
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_wrong_password_then_the_right_one_then_out(locked, open_page):
    # Chromium writes the status 401 of the first try on its console.
    page = open_page(locked.url + "/orders?status=open", may_complain=True)

    log_in(page, "wrong horse")
    expect(page.get_by_role("alert")).to_have_text("That is not the password.")
    log_in(page)
    # Where it was meant to go in the first place.
    expect(page.get_by_role("combobox", name="Status")).to_have_value("open")
    expect(page.get_by_role("status")).to_have_text("live")

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_focused()
    page.goto(locked.url)
    expect(page.get_by_label("Password")).to_be_visible()


def test_trading_is_halted_and_resumed_with_a_reason(locked, ledger, open_page):
    page = open_page(locked.url)
    log_in(page)
    state = page.get_by_role("region", name="Trading state")
    expect(state).to_contain_text("ACTIVE")

    state.get_by_role("link", name="Halt").click()
    page.get_by_role("link", name="Leave it as it is").click()
    expect(state).to_contain_text("ACTIVE")
    state.get_by_role("link", name="Halt").click()
    page.get_by_label("Why, for the record").fill("exchange trouble")
    page.get_by_role("button", name="Halt trading").click()

    expect(state).to_contain_text("HALTED")
    expect(state).to_contain_text("Set by operator")
    expect(state).to_contain_text("exchange trouble")
    status = ledger.store("execution_guard").trading.status()
    assert status.state is TradingState.HALTED

    state.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name="Resume trading").click()
    expect(state).to_contain_text("ACTIVE")


def test_state_set_elsewhere_appears_by_itself(dashboard, ledger, open_page):
    page = open_page(dashboard.url)
    store = ledger.store("risk_manager")

    with store.transaction(durable=False):
        store.trading.set(
            TradingState.REDUCING, reason="daily P&L reached", by="risk_manager"
        )

    state = page.get_by_role("region", name="Trading state")
    expect(state).to_contain_text("Only exits and what shrinks a position go out")
    expect(state).to_contain_text("daily P&L reached")


@pytest.mark.parametrize("width", [320, 1280])
def test_any_id_that_is_pasted_leads_to_its_story(dashboard, ledger, open_page, width):
    order = ledger.filled(ledger.order(), "100")
    page = open_page(
        dashboard.url + "/machine", viewport={"width": width, "height": 800}
    )
    find = page.get_by_role("search").get_by_role("textbox")

    find.fill(order.broker_order_id)
    find.press("Enter")

    expect(page).to_have_url(f"{dashboard.url}/orders/{order.order_id}")


def test_keyboard_gets_past_the_header_at_once(dashboard, open_page):
    page = open_page(dashboard.url)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_in_viewport()
    page.keyboard.press("Enter")

    expect(page.get_by_role("main")).to_be_focused()


def test_orders_are_found_by_their_filters(dashboard, ledger, open_page):
    every_state(ledger)
    page = open_page(dashboard.url)

    page.get_by_role("navigation", name="Views").get_by_text("Orders").click()
    page.get_by_role("combobox", name="Status").select_option("open")
    page.get_by_label("Strategy").fill("Supertrend")
    page.get_by_label("Strategy").press("Enter")

    rows = page.get_by_role("rowheader")
    expect(rows).to_have_count(1)
    expect(rows).to_have_text("4")
    page.get_by_role("link", name="Show all").click()
    expect(rows).to_have_count(4)


def test_open_page_does_not_hold_up_the_end_of_the_dashboard(
    dashboard, ledger, open_page
):
    page = open_page(dashboard.url, may_complain=True)
    expect(page.get_by_role("status")).to_have_text("live")

    # The server gives answers that are under way 10 s, and these have no end.
    began = time.monotonic()
    assert dashboard.stop() == 0
    assert time.monotonic() - began < 8


def test_session_that_ended_leads_to_the_login(locked, open_page):
    page = open_page(locked.url, may_complain=True)
    log_in(page)
    expect(page.get_by_role("status")).to_have_text("live")

    locked.stop()
    locked.set_password("another horse")
    locked.start()

    expect(page.get_by_label("Password")).to_be_visible(timeout=15_000)


def test_log_is_live_and_leads_from_an_id_to_its_story(dashboard, ledger, open_page):
    order = ledger.filled(ledger.order(), "100")
    page = open_page(dashboard.url)
    page.get_by_role("navigation", name="Views").get_by_text("Log").click()
    lines = page.get_by_role("listitem")
    write(dashboard.home / "log", "risk_manager", 1, "nobody asked")
    write(
        dashboard.home / "log",
        "risk_manager",
        2,
        "order passed",
        fields=f" order_id={order.order_id}",
    )
    expect(lines.first).to_contain_text("order passed")
    page.get_by_label("Text").fill("passed")
    page.get_by_role("button", name="Show").click()
    expect(lines).to_have_count(1)

    lines.first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("SBIN-EQ")


@pytest.mark.parametrize(
    "path", ["/", "/orders", "/orders/3", "/alerts", "/log", "/machine"]
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(dashboard, ledger, open_page, path, scheme):
    every_state(ledger)

    page = open_page(dashboard.url + path, color_scheme=scheme)

    assert serious(page) == []


def test_axe_finds_nothing_serious_where_one_logs_in_and_acts(locked, open_page):
    page = open_page(locked.url)
    assert serious(page) == []
    log_in(page)
    page.get_by_role("link", name="Halt").click()
    expect(page.get_by_label("Why, for the record")).to_be_visible()

    assert serious(page) == []


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
