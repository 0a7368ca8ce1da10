"""Takes the pictures of the dashboard that the guides show."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from shoonya_platform.dashboard.passwords import hash_password  # noqa: E402 the path comes first
from tests.acceptance.platform import Platform, entry  # noqa: E402 the path comes first

PASSWORD = "for the pictures"  # noqa: S105 of a platform that lives for seconds

IMAGES = ROOT / "docs" / "images"

#: File, view, colours, width and height.
PICTURES = (
    ("dashboard-light.png", "/", "light", 1040, 735),
    ("dashboard-dark.png", "/orders/1", "dark", 1180, 900),
    ("dashboard-phone.png", "/", "light", 390, 844),
)


def _locked(root: Path) -> Platform:
    """A platform with a password: without one there is nothing to halt it with."""
    platform = Platform(root)
    hashed = root / "credentials" / "dashboard_password_hash"
    hashed.write_text(hash_password(PASSWORD))
    return platform


def main() -> int:
    IMAGES.mkdir(exist_ok=True)
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("needs Chromium: apt-get install chromium")
    with (
        tempfile.TemporaryDirectory() as name,
        _locked(Path(name)) as platform,
        sync_playwright() as playwright,
    ):
        for strategy, strike in (("Straddle", 26000), ("Momentum", 26200)):
            symbols = (f"NIFTY28DEC27C{strike}", f"NIFTY28DEC27P{strike}")
            platform.outcome(platform.accept(entry(strategy, *symbols)))
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        for file, path, scheme, width, height in PICTURES:
            page = browser.new_page(
                color_scheme="dark" if scheme == "dark" else "light",
                viewport={"width": width, "height": height},
            )
            page.goto(f"http://127.0.0.1:{platform.dashboard_port}{path}")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            page.get_by_text("live", exact=True).wait_for()
            if path == "/":
                # A share needs two looks.
                page.locator(".s-cpu").filter(has_text="%").first.wait_for()
            page.screenshot(path=IMAGES / file)
            print(IMAGES / file)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
