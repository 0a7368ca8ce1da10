"""What `scripts/bench/chaos` makes of its options."""

import sys

import pytest
from scripts.bench import chaos


class Begun(Exception):
    """A world was asked for."""


@pytest.mark.parametrize("seed", [0, 4711])
def test_seed_that_is_given_is_the_one_that_is_used(monkeypatch, capsys, seed):
    def begin(folder, used, delivery):
        folder.rmdir()
        raise Begun(used)

    monkeypatch.setitem(chaos.WORLDS, "paper", begin)
    monkeypatch.setattr(
        sys, "argv", ["chaos", "--broker", "paper", "--seed", str(seed)]
    )

    with pytest.raises(Begun) as begun:
        chaos.main()

    assert begun.value.args == (seed,)
    assert f"--seed {seed} " in capsys.readouterr().out


def test_help_says_what_a_seed_does_not_repeat(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["chaos", "--help"])

    with pytest.raises(SystemExit):
        chaos.main()

    assert "does not repeat the run" in " ".join(capsys.readouterr().out.split())
