"""Downloads the broker's public files; needs no session and counts as no request."""

from __future__ import annotations

from shoonya_platform.brokers.shoonya_account import ShoonyaAccount
from shoonya_platform.brokers.shoonya_http import Transport
from shoonya_platform.brokers.shoonya_limits import CircuitBreaker, RateLimiter
from shoonya_platform.clock import Clock

#: The largest list has less than a MB, and no order waits for it.
_TIMEOUT_SECONDS = 30.0


class Downloader:
    """A client of its own: a slow download closes no circuit of the order path."""

    def __init__(self, account: ShoonyaAccount, clock: Clock) -> None:
        self._limiter = RateLimiter(
            account.folder / "calls",
            clock,
            orders_per_second=account.orders_per_second,
            requests_per_minute=account.requests_per_minute,
        )
        self._transport = Transport(
            account.api_url,
            bearer=False,
            timeout_seconds=max(_TIMEOUT_SECONDS, account.timeout_seconds),
            limiter=self._limiter,
            breaker=CircuitBreaker(clock),
            clock=clock,
        )

    def download(self, url: str) -> bytes:
        """
        Return a file's content.

        Raises:
            BrokerUnavailable: It could not be had.
        """
        return self._transport.download(url)

    def close(self) -> None:
        self._transport.close()
        self._limiter.close()
