"""The share of the processor, from two looks at what a process has used."""

import os
from dataclasses import replace
from pathlib import Path

from shoonya_platform.dashboard.meter import CpuMeter
from shoonya_platform.services.units import cpu_seconds


def test_share_is_what_was_used_between_two_looks(views, clock):
    used = {view.pid: 10.0 for view in views[:2]}
    meter = CpuMeter(clock, used.get)
    assert meter.shares(views) == {}
    clock.advance(2)
    used[views[0].pid] += 0.5

    assert meter.shares(views) == {views[0].pid: 0.25, views[1].pid: 0.0}


def test_who_looks_again_at_once_gets_the_same_share(views, clock):
    used = {views[0].pid: 10.0}
    meter = CpuMeter(clock, used.get)
    meter.shares(views)
    clock.advance(2)
    used[views[0].pid] = 11.0
    meter.shares(views)
    clock.advance(0.1)
    used[views[0].pid] = 11.1

    assert meter.shares(views) == {views[0].pid: 0.5}


def test_process_that_is_new_has_no_share_yet(views, clock):
    meter = CpuMeter(clock, lambda _: 10.0)
    meter.shares(views[:1])
    clock.advance(2)
    views[0] = replace(views[0], pid=9999)

    assert meter.shares(views[:1]) == {}


def test_own_process_tells_what_it_used():
    told = cpu_seconds(os.getpid())

    assert told is not None
    assert abs(told - sum(os.times()[:2])) < 1


def test_name_with_blanks_and_brackets_is_read_over(tmp_path: Path):
    (tmp_path / "42").mkdir()
    numbers = " ".join(str(n) for n in range(4, 20))
    (tmp_path / "42" / "stat").write_text(f"42 (a) b (c) S {numbers}")

    assert cpu_seconds(42, tmp_path) == (14 + 15) / os.sysconf("SC_CLK_TCK")
    assert cpu_seconds(43, tmp_path) is None
