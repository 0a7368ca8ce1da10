"""Man pages in groff's man macros, made from the help."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shoonya_platform.ctl._pages import Page

_SECTION = "1"


def file_name(page: Page) -> str:
    """Return `shoonyactl-order-list.1`; `man shoonyactl order list` finds it."""
    return f"{'-'.join(page.words)}.{_SECTION}"


def roff(page: Page, *, version: str) -> str:
    """Return a page's text for man(1)."""
    title = "-".join(page.words)
    source = f"Shoonya {_text(version)}"
    lines = [
        f'.TH {_text(title.upper())} {_SECTION} "" "{source}" "Shoonya"',
        ".nh",
        ".ad l",
        ".SH NAME",
        rf"{_text(title)} \- {_text(page.summary.rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_text(page.name)}",
        _line(page.usage),
        ".SH DESCRIPTION",
        _line(page.summary),
        *_paragraphs(page.paragraphs),
    ]
    if page.options:
        lines.append(".SH OPTIONS")
        for option in page.options:
            lines += [".TP", f".B {_text(option.names)}", _line(option.text)]
    if page.verbs:
        lines.append(".SH COMMANDS")
        for name, sentence in page.verbs:
            manual = f"{title}-{name}"
            lines += [".TP", f".BR {_text(manual)} ({_SECTION})", _line(sentence)]
    if page.notes:
        lines += [".SH NOTES", *_paragraphs(page.notes)]
    if page.examples:
        lines += [".SH EXAMPLES", ".nf"]
        lines += [_line(example) for example in page.examples]
        lines.append(".fi")
    if len(page.words) > 1:
        above = "-".join(page.words[:-1])
        lines += [".SH SEE ALSO", f".BR {_text(above)} ({_SECTION})"]
    return "\n".join(lines) + "\n"


def _paragraphs(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield ".PP"
        yield from map(_line, text.splitlines())


def _line(text: str) -> str:
    # At a line's beginning these two would be commands to groff.
    return rf"\&{_text(text)}" if text.startswith((".", "'")) else _text(text)


_ESCAPES = str.maketrans(
    {
        "\\": r"\e",
        "-": r"\-",
        "'": r"\(aq",
        "`": r"\(ga",
        "^": r"\(ha",
        "~": r"\(ti",
        '"': r"\(dq",
        # A long choice may be cut here.
        "|": r"|\:",
        "’": r"\(cq",
        "–": r"\(en",
        "—": r"\(em",
        "×": r"\(mu",
        "…": "...",
    }
)


def _text(text: str) -> str:
    return text.translate(_ESCAPES)
