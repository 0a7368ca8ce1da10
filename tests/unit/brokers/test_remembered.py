from shoonya_platform.brokers.remembered import Remembered


class Maker:
    def __init__(self):
        self.asked = []

    def __call__(self, source):
        self.asked.append(source)
        return source.upper()


def test_result_is_made_once_while_its_source_stays_the_same():
    maker = Maker()
    remembered = Remembered[int, str, str](maker)

    assert [remembered.of(1, "a"), remembered.of(1, "a")] == ["A", "A"]
    assert maker.asked == ["a"]


def test_result_is_made_again_of_another_source():
    remembered = Remembered[int, str, str](Maker())
    remembered.of(1, "a")

    assert remembered.of(1, "b") == "B"
    assert remembered.of(1, "a") == "A"


def test_what_is_not_kept_is_made_again():
    maker = Maker()
    remembered = Remembered[int, str, str](maker)
    remembered.of(1, "a")
    remembered.of(2, "b")
    remembered.keep([2])

    remembered.of(2, "b")
    remembered.of(1, "a")

    assert maker.asked == ["a", "b", "a"]
