"""What the help says, taken apart: for the man pages and for docs/reference."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class Option:
    names: str  #: as the help has them: `-n, --limit INTEGER`
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """A verb, with all that its help says."""

    words: tuple[str, ...]  #: of the call: `("shoonyactl", "order", "list")`
    usage: str  #: what may follow them
    summary: str  #: a sentence
    paragraphs: Sequence[str]  #: what the help says beyond it
    options: Sequence[Option]
    examples: Sequence[str]
    verbs: Sequence[tuple[str, str]]  #: those below it, each with its sentence
    notes: Sequence[str]  #: paragraphs behind the options, examples excepted

    @property
    def name(self) -> str:
        return " ".join(self.words)


def pages(
    command: click.Command,
    words: tuple[str, ...] = ("shoonyactl",),
    above: click.Context | None = None,
) -> Iterator[Page]:
    """Yield the page of a verb and of every verb below it."""
    context = click.Context(
        command, above, info_name=words[-1], **command.context_settings
    )
    below = [
        (name, found)
        for name in (
            command.list_commands(context) if isinstance(command, click.Group) else ()
        )
        if isinstance(command, click.Group)
        and (found := command.get_command(context, name)) is not None
    ]
    yield _page(command, context, words, below)
    for name, found in below:
        yield from pages(found, (*words, name), context)


def _page(
    command: click.Command,
    context: click.Context,
    words: tuple[str, ...],
    below: Sequence[tuple[str, click.Command]],
) -> Page:
    summary, *rest = _blocks(command.help or "")
    after = _blocks(command.epilog or "")
    # `logs` is a group and the verb that shows lines, in one.
    described = getattr(command, "described", lambda: command)()
    records = (
        each.get_help_record(context)
        for each in described.get_params(context)
        if isinstance(each, click.Option)
    )
    return Page(
        words,
        " ".join(described.collect_usage_pieces(context)),
        summary,
        [block for block in rest if not _is_examples(block)],
        [Option(*record) for record in records if record],
        [
            line.strip()
            for block in (*rest, *after)
            if _is_examples(block)
            for line in block.splitlines()[1:]
        ],
        [(name, _blocks(found.help or "")[0]) for name, found in below],
        [block for block in after if not _is_examples(block)],
    )


def _blocks(text: str) -> list[str]:
    """Return the paragraphs; only what is laid out by hand keeps its lines."""
    found = []
    for block in inspect.cleandoc(text).split("\n\n"):
        if block.startswith("\b\n"):
            found.append(block[2:].rstrip())
        else:
            found.append(" ".join(block.split()))
    return [block for block in found if block]


def _is_examples(block: str) -> bool:
    return block.startswith(("Example:\n", "Examples:\n"))
