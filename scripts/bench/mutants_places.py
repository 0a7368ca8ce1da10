"""
The places of a module that a mutation run may change, and what each becomes.

Comparisons (also by one: `<` becomes `<=`), `and`, `or`, `not`, and deleted calls.
Left out, because no test may depend on them (STYLE 4.7):

1. log calls below ERROR with their arguments (an ERROR notifies the operator);
2. texts: docstrings, f-strings and the arguments of an exception that is raised;
3. `__repr__` and `__str__`;
4. `if TYPE_CHECKING` and annotations.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

PACKAGES = ("domain", "execution", "risk", "store", "brokers")
#: The border first: it is what tests miss most.
COMPARISONS = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "is": ("is not",),
    "is not": ("is",),
    "in": ("not in",),
    "not in": ("in",),
}
LOG_LEVELS = frozenset({"debug", "info", "warning", "log"})

Span = tuple[int, int]  # characters of the module, [start, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one place; `key` is the same in every tree that has the place."""

    key: str
    module: str  # `domain/terms.py`
    kind: str
    line: int
    last_line: int
    before: str  # the lines of the place, one blank between words
    after: str
    source: str  # the whole module, changed
    is_at_import: bool  # outside functions, so no single test runs it

    @property
    def package(self) -> str:
        return self.module.split("/", 1)[0]

    @property
    def place(self) -> str:
        return f"{self.module}:{self.line}"


def mutants_of(root: Path, package: str) -> list[Mutant]:
    """Return every change of a package, in the order of the text."""
    found = []
    for path in sorted((root / package).rglob("*.py")):
        found += _Module(str(path.relative_to(root)), path.read_text()).mutants()
    return found


class _Module:
    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._tokens = [
            (self._starts[t.start[0] - 1] + t.start[1], t)
            for t in tokenize.generate_tokens(io.StringIO(text).readline)
            if t.type in (tokenize.OP, tokenize.NAME) and t.string not in "()"
        ]
        self._seen: dict[str, int] = {}

    def mutants(self) -> list[Mutant]:
        tree = ast.parse(self._text)
        return list(self._visit(tree, is_at_import=True))

    def _visit(self, node: ast.AST, *, is_at_import: bool) -> Iterator[Mutant]:
        for kind, span, text in self._changes(node):
            yield self._made(kind, span, text, is_at_import=is_at_import)
        inner = is_at_import and not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        )
        for child in ast.iter_child_nodes(node):
            if not _is_left_out(child, node):
                yield from self._visit(child, is_at_import=inner)

    def _changes(self, node: ast.AST) -> Iterator[tuple[str, Span, str]]:
        if isinstance(node, ast.Compare):
            for left, right in pairwise([node.left, *node.comparators]):
                span = self._between(left, right)
                for other in COMPARISONS[" ".join(self._text[slice(*span)].split())]:
                    yield "comparison", span, other
        elif isinstance(node, ast.BoolOp):
            other = "or" if isinstance(node.op, ast.And) else "and"
            for left, right in pairwise(node.values):
                yield "boolean", self._between(left, right), other
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            start = self._offset(node.lineno, node.col_offset)
            yield "boolean", (start, start + len("not ")), ""
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield "deleted call", (self._start(node), self._end(node)), "pass"

    def _made(self, kind: str, span: Span, text: str, *, is_at_import: bool) -> Mutant:
        changed = self._text[: span[0]] + text + self._text[span[1] :]
        first = self._text.count("\n", 0, span[0])
        last = self._text.count("\n", 0, span[1])
        end = self._starts[last + 1] + len(changed) - len(self._text)
        before = _squeezed("".join(self._lines[first : last + 1]))
        after = _squeezed(changed[self._starts[first] : end])
        identity = f"{self._name}\n{before}\n{after}"
        nth = self._seen[identity] = self._seen.get(identity, 0) + 1
        return Mutant(
            key=hashlib.sha256(f"{identity}\n{nth}".encode()).hexdigest()[:8],
            module=self._name,
            kind=kind,
            line=first + 1,
            last_line=last + 1,
            before=before,
            after=after,
            source=changed,
            is_at_import=is_at_import,
        )

    def _between(self, left: ast.expr, right: ast.expr) -> Span:
        """Return where the operator between two operands is written."""
        start, end = self._end(left), self._start(right)
        tokens = [(at, t) for at, t in self._tokens if start <= at < end]
        return tokens[0][0], tokens[-1][0] + len(tokens[-1][1].string)

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._offset(node.lineno, node.col_offset)

    def _end(self, node: ast.expr | ast.stmt) -> int:
        # ast.parse() sets both; the types allow for trees that are made by hand.
        return self._offset(node.end_lineno or 0, node.end_col_offset or 0)

    def _offset(self, line: int, column: int) -> int:
        # ast counts the bytes of a line, not its characters.
        text = self._lines[line - 1].encode()[:column].decode()
        return self._starts[line - 1] + len(text)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _is_left_out(node: ast.AST, parent: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(parent, ast.Raise) and isinstance(node, ast.Call):
        return True
    if isinstance(node, ast.FunctionDef) and node.name in ("__repr__", "__str__"):
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(parent, ast.AnnAssign | ast.arg) and node is parent.annotation:
        return True
    if isinstance(parent, ast.FunctionDef) and node is parent.returns:
        return True
    return isinstance(node, ast.Expr) and _is_log_call(node.value)


def _is_log_call(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in LOG_LEVELS and ast.unparse(node.func.value).endswith(
        "logger"
    )
