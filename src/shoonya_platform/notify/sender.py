"""
The process that hands a message to apprise, and ends.

apprise brings some 180 kinds of addresses into memory, 30 MB: too much for a service
that has nothing to say most of the day.  In a process of its own a kind that hangs
or crashes costs its message alone.

Reads a request from stdin and writes one answer for each address to stdout, in JSON.
"""

from __future__ import annotations

import json
import signal
import sys

#: The whole process ends by then, wherever it stands.
MOST_SECONDS = 60


def main() -> int:
    signal.alarm(MOST_SECONDS)
    request = json.load(sys.stdin)
    # What a kind of address may print is no answer.
    answer, sys.stdout = sys.stdout, sys.stderr
    json.dump([_ask(url, request["message"]) for url in request["urls"]], answer)
    return 0


def _ask(url: str, message: dict[str, str] | None) -> bool:
    """Return whether the address took the message; without one, whether it is one."""
    from apprise import Apprise

    target = Apprise()
    is_known = target.add(url)
    if message is None or not is_known:
        return is_known
    return bool(target.notify(body=message["body"], title=message["title"]))


if __name__ == "__main__":
    sys.exit(main())
