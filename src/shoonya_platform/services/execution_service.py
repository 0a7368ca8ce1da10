"""execution_service: takes alerts from TradingView and stores them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from shoonya_platform.execution.webhook import Intake, create_app
from shoonya_platform.services.ending import end_process
from shoonya_platform.services.http import HttpService, Site
from shoonya_platform.services.parts import tickers
from shoonya_platform.services.runtime import Parts


def build(parts: Parts, executor: ThreadPoolExecutor) -> Site:
    webhook = parts.settings.webhook
    intake = Intake(
        parts.store,
        parts.config.secrets.get("webhook_secret").value,
        parts.clock,
        parts.ring,
        max_body_bytes=webhook.max_body_bytes,
        executor=executor,
        tickers=tickers(parts.settings),
    )

    def health() -> dict[str, object]:
        return {"ok": True, "service": "execution_service", "run_id": parts.run_id}

    def status() -> str:
        return (
            f"listening on {webhook.host}:{webhook.port}, {intake.accepted} alerts "
            f"accepted, {intake.refused} refused"
        )

    return Site(create_app(intake, health), webhook.host, webhook.port, status)


def main() -> int:
    return HttpService("execution_service", build).main()


if __name__ == "__main__":
    end_process(main())
