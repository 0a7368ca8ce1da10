import pytest

from shoonya_platform.testing.waiting import eventually


def test_what_is_true_at_once_is_returned():
    assert eventually(lambda: "found", 0.0) == "found"


def test_what_becomes_true_is_waited_for():
    answers = iter([None, "", "found"])

    assert eventually(lambda: next(answers), interval_seconds=0.0) == "found"


def test_assert_in_the_predicate_means_not_yet():
    seen: list[int] = []

    def three_calls() -> bool:
        seen.append(1)
        assert len(seen) == 3
        return True

    assert eventually(three_calls, interval_seconds=0.0)


def test_what_never_becomes_true_fails_with_what_was_waited_for():
    with pytest.raises(AssertionError, match="in vain for the moon, last: 0"):
        eventually(lambda: 0, 0.01, interval_seconds=0.0, message="the moon")


def test_last_failed_assert_is_the_cause():
    def never() -> bool:
        raise AssertionError("the reason")

    with pytest.raises(AssertionError) as caught:
        eventually(never, 0.01, interval_seconds=0.0)

    assert str(caught.value.__cause__) == "the reason"


def test_other_errors_are_not_waited_away():
    def broken() -> bool:
        raise KeyError("x")

    with pytest.raises(KeyError):
        eventually(broken)
