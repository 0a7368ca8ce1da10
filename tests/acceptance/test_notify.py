"""People are told, and obeyed, by the running platform: over real sockets."""

from pathlib import Path

from shoonya_platform.domain.trading import TradingState
from shoonya_platform.testing.receiver import Receiver
from shoonya_platform.testing.telegram import TOKEN, TelegramSimulator
from shoonya_platform.testing.waiting import eventually
from tests.acceptance.platform import Platform, entry

OWNER = 1001


def test_orders_deaths_and_a_halt_by_telegram_are_told(tmp_path: Path):
    with Receiver() as receiver, TelegramSimulator() as telegram:
        platform = Platform(
            tmp_path,
            f"""
[notify]
interval_seconds = 0.1
telegram_users = [{OWNER}]
telegram_url = "{telegram.url}"
""",
        )
        credentials = platform.root / "credentials"
        (credentials / "notify_urls").write_text(f"# ours\n{receiver.url}\n")
        (credentials / "telegram_token").write_text(TOKEN)

        def told(words: str) -> bool:
            return any(words in body for body in receiver.bodies)

        def answered(words: str) -> bool:
            return any(words in text for _, text in telegram.sent)

        with platform:
            eventually(lambda: told("is ready: "), message="ready")
            _, answer = platform.post(entry("straddle", "NIFTY28DEC27F"))
            eventually(
                lambda: told(f"(straddle, O{answer['alert_id'][1:]}"),
                message="a filled order",
            )

            telegram.write("/halt enough", user=OWNER)
            eventually(lambda: answered("trading is HALTED"), message="a halt")
            store = platform.store()
            assert store.trading.status().state is TradingState.HALTED
            store.close()
            eventually(lambda: told("trading is HALTED: enough"), message="the news")
            platform.post(entry("other", "NIFTY28DEC27F"))
            eventually(lambda: told("denied, TRADING_HALTED"), message="a denial")

            platform.kill("risk_manager")
            eventually(
                lambda: told("risk_manager died and was started again"),
                20,
                message="a death",
            )
        text = "".join(path.read_text() for path in platform.log_dir.glob("*.log"))
        assert TOKEN not in text
        assert receiver.url not in text
