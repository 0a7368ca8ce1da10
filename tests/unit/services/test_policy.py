from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.services.policy import RestartPolicy

#: Seconds between a restart and the next crash.
runs = st.lists(st.floats(0, 1000), min_size=1, max_size=40)


def test_the_curve_is_1_4_16_seconds_and_then_no_more():
    policy = RestartPolicy(jitter=0)
    crashes = [0.0, 2.0, 7.0, 24.0]

    delays = [policy.delay(crashes[:n], crashes[n - 1]) for n in (1, 2, 3, 4)]

    assert delays == [1.0, 4.0, 16.0, None]


def test_a_service_that_never_crashed_begins_at_once():
    assert RestartPolicy().delay([], 5.0) == 0.0


@given(runs)
def test_never_more_than_three_restarts_within_five_minutes(runs: list[float]):
    policy = RestartPolicy()
    now, crashes, restarts = 0.0, list[float](), list[float]()
    for run in runs:
        now += run
        crashes.append(now)
        delay = policy.delay(crashes, now)
        if delay is None:
            break
        now += delay
        restarts.append(now)

    for at in restarts:
        within = [other for other in restarts if at <= other < at + 300]
        # The first delay of a window may stretch it by that much.
        assert len(within) <= 3 + 1
    for first, last in zip(crashes, crashes[4:], strict=False):
        assert last - first >= 300


@given(st.floats(300, 100_000))
def test_a_run_of_five_minutes_makes_the_backoff_begin_anew(run: float):
    policy = RestartPolicy(jitter=0)
    crashes = [0.0, 2.0, 7.0]

    assert policy.delay([*crashes, 7.0 + run], 7.0 + run) == 1.0


@given(st.floats(0, 1))
def test_jitter_lengthens_by_a_tenth_at_most(chance: float):
    delay = RestartPolicy().delay([0.0, 1.0], 1.0, lambda: chance)

    assert delay is not None
    assert 4.0 <= delay <= 4.4
