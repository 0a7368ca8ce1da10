from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.logging.reading.numbers import Numbers, common, count, text

SETS = st.sets(st.integers(1, 40), max_size=30)


def ranges(numbers):
    found = Numbers()
    for number in sorted(numbers):
        found.add(number)
    return list(found)


def spread(found):
    return [n for first, last in found for n in range(first, last + 1)]


@given(st.lists(st.integers(1, 40)))
def test_numbers_are_a_set_in_the_fewest_ranges(added):
    numbers = Numbers()
    seen: set[int] = set()

    for number in added:
        assert numbers.add(number) == (number not in seen)
        seen.add(number)

    assert list(numbers) == ranges(seen)
    assert spread(numbers) == sorted(seen)
    assert (len(numbers), numbers.last) == (len(seen), max(seen, default=0))
    assert all(
        b[0] > a[1] + 1 for a, b in zip(numbers, list(numbers)[1:], strict=False)
    )


@given(SETS, st.integers(1, 45), st.integers(0, 45))
def test_missing_is_what_is_not_there(there, first, last):
    found = Numbers(ranges(there)).missing(first, last)

    assert spread(found) == [n for n in range(first, last + 1) if n not in there]


@given(SETS, SETS)
def test_common_is_what_is_in_both(one, other):
    found = common(ranges(one), ranges(other))

    assert spread(found) == sorted(one & other)
    assert count(found) == len(one & other)


def test_text_is_short():
    assert text([(3, 3), (7, 12)]) == "3, 7-12"
