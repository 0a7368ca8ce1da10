"""
Loads real masters into the file of instruments and measures it.

    scripts/bench/instruments DIRECTORY

DIRECTORY holds the broker's `NSE_symbols.txt.zip` and the like, as published at
https://api.shoonya.com/.  Prints, for each exchange, what was kept and left out and how
long it took, then the file's size, a look-up's time and the memory of a reader.
"""

from __future__ import annotations

import random
import resource
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.instruments.file import FILE_NAME, InstrumentFile
from shoonya_platform.instruments.refresh import MasterRefresh
from shoonya_platform.instruments.writer import InstrumentWriter

LOOK_UPS = 20_000


def private_kib() -> int:
    text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    return sum(
        int(line.split()[1])
        for line in text.splitlines()
        if line.startswith(("Private_Clean", "Private_Dirty"))
    )


def load(folder: Path, place: Path) -> None:
    def download(url: str) -> bytes:
        try:
            return (folder / url.rpartition("/")[2]).read_bytes()
        except OSError as e:
            raise BrokerUnavailable(str(e)) from e

    file = InstrumentWriter(place)
    refresh = MasterRefresh(
        file, "https://masters/", market_calendar(), SystemClock(), download=download
    )
    for again in ("first load", "same list again"):
        print(again)
        for exchange in Exchange:
            began, cpu = time.perf_counter(), time.process_time()
            state = refresh.load(exchange, only_if_due=False)
            print(
                f"  {exchange}: {state.rows} rows kept, left out: "
                f"{state.skipped or 'none'}, {time.perf_counter() - began:.2f} s "
                f"({time.process_time() - cpu:.2f} s of CPU)"
                + f"; {state.problem}"
                * bool(state.problem)
            )
    file.close()
    print(f"file: {place.stat().st_size / 1e6:.1f} MB")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} KiB")


def look_up(place: Path) -> None:
    reader = InstrumentFile(place)
    with closing(sqlite3.connect(place)) as database:
        names = database.execute("SELECT exchange, tradingsymbol FROM instruments")
        symbols = [(Exchange(name), symbol) for name, symbol in names.fetchall()]
    random.seed(1)
    chosen = random.choices(symbols, k=LOOK_UPS)  # noqa: S311 no secret
    before = private_kib()
    times = []
    for exchange, symbol in chosen:
        began = time.perf_counter()
        reader.find(exchange, symbol)
        times.append(time.perf_counter() - began)
    times.sort()
    print(
        f"look-up: p50 {times[LOOK_UPS // 2] * 1e6:.0f} us, "
        f"p99 {times[LOOK_UPS * 99 // 100] * 1e6:.0f} us"
    )
    print(f"a reader's own memory after {LOOK_UPS}: {private_kib() - before} KiB")
    reader.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / FILE_NAME
        load(Path(sys.argv[1]), place)
        look_up(place)


if __name__ == "__main__":
    main()
