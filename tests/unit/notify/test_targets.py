"""The addresses in the secret, one a line; what is none is named by its line."""

import pytest

from shoonya_platform.errors import ConfigError
from shoonya_platform.notify.targets import addresses, open_targets


def test_remarks_and_empty_lines_are_passed_over():
    assert addresses("# mine\njson://a/\n\n  json://b/  \n") == [
        "json://a/",
        "json://b/",
    ]


def test_what_is_no_address_is_named_without_showing_it():
    with pytest.raises(ConfigError, match="line 2 of the secret") as caught:
        open_targets("json://127.0.0.1/\nno-such-thing://secret-words")

    assert "secret-words" not in str(caught.value)


def test_target_is_named_by_line_and_kind_alone():
    (target,) = open_targets("json://user:password@127.0.0.1/")

    assert target.name == "address 1 (json)"
