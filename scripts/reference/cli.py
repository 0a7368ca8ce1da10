"""docs/reference/cli.md: every verb and option, and the exit codes."""

import inspect
from collections.abc import Iterator

from reference.markdown import MADE, code, table
from shoonya_platform import errors
from shoonya_platform.ctl._pages import Page, pages
from shoonya_platform.ctl._probing import Result
from shoonya_platform.ctl.logs_verify import EXIT_EXPLAINED, EXIT_UNEXPLAINED
from shoonya_platform.ctl.main import cli
from shoonya_platform.errors import ShoonyaError

#: Those that no class of errors owns.
_OTHERS = {
    0: "done",
    2: "wrong usage: see the verb's `--help`",
    EXIT_EXPLAINED: "`logs verify`: records are missing, and it is known why",
    EXIT_UNEXPLAINED: "`logs verify`: records are missing, and nothing says why",
}
#: Of a service's process, as `systemctl status` shows them.
_OF_SERVICES = {
    errors.EXIT_CONFIG: "the configuration is unusable; not started again",
    errors.EXIT_GIVEN_UP: "crashed too often; not started again",
    errors.EXIT_RENEW: "ended in order near its memory limit; started anew",
}


def text() -> str:
    """Return the page."""
    parts = [
        MADE,
        "# shoonyactl, verb by verb\n",
        "The same stands in each verb's `--help` and in its man page.\n",
        *(_page(page) for page in pages(cli)),
        "## Exit codes\n",
        table(["code", "means"], _codes()),
        "`shoonyactl check` has a plugin's instead: "
        + ", ".join(f"{each.value} `{each.name}`" for each in Result)
        + ".\n",
        "A service's own process ends with 0 in order, 1 after a crash, and\n",
        table(
            ["code", "means"],
            ((str(code), what) for code, what in sorted(_OF_SERVICES.items())),
        ).rstrip("\n"),
    ]
    return "\n".join(parts) + "\n"


def _page(page: Page) -> str:
    parts = [
        f"## {page.name}\n",
        f"    {page.name} {page.usage}\n",
        f"{page.summary}\n",
        *(f"{paragraph}\n" for paragraph in page.paragraphs),
    ]
    if page.options:
        rows = ((code(option.names), option.text) for option in page.options)
        parts.append(table(["option", ""], rows))
    if page.verbs:
        rows = ((code(f"{page.name} {verb}"), what) for verb, what in page.verbs)
        parts.append(table(["verb", ""], rows))
    if page.examples:
        parts.append("```sh\n" + "\n".join(page.examples) + "\n```\n")
    return "\n".join(parts)


def _codes() -> Iterator[tuple[str, str]]:
    found = dict(_OTHERS)
    for kind in sorted(_errors(ShoonyaError), key=lambda kind: kind.exit_code):
        if kind.exit_code != ShoonyaError.exit_code:
            found[kind.exit_code] = _sentence(kind)
    found[ShoonyaError.exit_code] = "failed: the sentence on standard error says why"
    return ((str(number), what) for number, what in sorted(found.items()))


def _errors(kind: type[ShoonyaError]) -> Iterator[type[ShoonyaError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _errors(below)


def _sentence(kind: type[ShoonyaError]) -> str:
    first = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]
    return " ".join(first.split()).rstrip(".")
