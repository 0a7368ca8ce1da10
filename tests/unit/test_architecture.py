"""Dependencies point inward: who may import whom, by reading the sources."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "shoonya_platform"
SOURCES = ROOT / "src" / PACKAGE

# How a service is run, and nothing of what it does: leaves in spite of their place,
# so that dashboard and ctl can use them without a circle.
LEAVES = (
    "services.blackbox",
    "services.child",
    "services.control",
    "services.crashes",
    "services.findings",
    "services.incidents",
    "services.isolated",
    "services.lastlines",
    "services.loglevel",
    "services.memory",
    "services.notify",
    "services.policy",
    "services.runbook",
    "services.session_file",
    "services.service_manager",
    "services.telling",
    "services.units",
    "services.why",
)
# For each part of the package the other parts it may import.  A name stands for
# the module and all below it; of two that fit, the longer one counts.  ANY minus
# what follows it in the tuple.
ANY = "*"
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(LEAVES, (*LEAVES, "errors", "config", "clock", "logging")),
    # Only the version stands in the package itself.
    "": (),
    "errors": (),
    "clock": (),
    "domain": ("errors",),
    "config": ("errors", "domain"),
    # Usable alone, in another program too.
    "logging": (),
    "store": ("domain", "errors", "clock"),
    "brokers": ("domain", "errors", "clock", "instruments"),
    # The broker's lists: all that looks something up reads their file.
    "instruments": ("domain", "errors", "clock"),
    "risk": ("domain", "errors", "clock", "store.base"),
    # The loop of a service: it logs, as those of execution do.
    "risk.square_off": (
        "risk",
        "domain",
        "clock",
        "store.base",
        "store.flatten",
        "logging",
    ),
    "risk.day_watch": (
        "risk",
        "domain",
        "errors",
        "clock",
        "store.base",
        "store.flatten",
        "logging",
    ),
    "risk.day_book": ("risk", "domain", "store.base"),
    "risk.figures": ("risk", "domain"),
    "risk.supreme_risk": (
        "risk",
        "domain",
        "errors",
        "clock",
        "store.base",
        "logging",
    ),
    "execution": (
        "domain",
        "risk",
        "store.base",
        "store.flatten",
        "brokers.base",
        "errors",
        "clock",
        "logging",
    ),
    # What `check`, `status`, the dashboard and `/metrics` show alike.
    "assessment": (
        "domain",
        "store.base",
        "instruments.file",
        "instruments.rows",
        *LEAVES,
        "config",
        "errors",
    ),
    # Tells, asks and halts; of the rest it knows the store.
    "notify": (
        "domain",
        "assessment",
        "risk.day_book",
        "risk.figures",
        "risk.limits",
        "store.base",
        "store.flatten",
        "store.trading_state",
        "errors",
        "clock",
        "logging",
    ),
    # What `shoonyactl trace` and the dashboard tell alike.
    "tracing": ("domain", "store.base", "errors", "config", "logging"),
    # Waits for the services by looking at their store; moves the paper market.
    "replay": (
        "domain",
        "risk.limits",
        "execution.claims",
        "execution.reports",
        "store.base",
        "brokers.base",
        "brokers.paper",
        "config",
        "errors",
        "clock",
    ),
    "dashboard": (
        "domain",
        "store.base",
        "store.flatten",
        "store.trading_state",
        "assessment",
        "tracing",
        *LEAVES,
        "errors",
        "clock",
        "config",
        "logging",
    ),
    # The roots, where everything is put together.
    "services": (ANY, "ctl", "main", "testing"),
    "ctl": (ANY, "testing"),
    "main": (
        *LEAVES,
        "config",
        "ctl",
        "errors",
        "clock",
        "logging",
    ),
    "testing": (
        "domain",
        "errors",
        "clock",
        "logging",
        "store.base",
        "brokers.base",
    ),
    # Independent of what is tested against it: of the adapter, of the paper broker and
    # of the packaged instruments, so that an error of theirs is not its own too.
    "testing.noren": ("errors", "clock"),
    "ctl.simulate": ("ctl", "testing.noren", "errors"),
}
# Of the services only the leaves are libraries; the rest are programs, started
# and never imported, but for what those programs have in common.
PROGRAMS = (
    "services.execution_service",
    "services.trading_bot",
    "services.command_service",
    "services.order_watcher",
    "services.risk_manager",
    "services.execution_guard",
    "services.dashboard",
    "services.recovery_service",
)
# Beyond the standard library: the parts that must not reach for anything, and
# what they may have all the same.
PURE = {
    "errors": frozenset[str](),
    "clock": frozenset[str](),
    "domain": frozenset({"msgspec"}),
    "config": frozenset({"msgspec"}),
    "risk": frozenset({"msgspec"}),
    "logging": frozenset({"systemd", "zstandard"}),
}


def part_of(module: str) -> str:
    """Return the longest name in MAY_IMPORT that *module* belongs to."""
    fitting = [name for name in MAY_IMPORT if covers(name, module)]
    if not fitting:
        raise KeyError(f"{module!r} belongs to no part: add it to MAY_IMPORT")
    return max(fitting, key=len)


def covers(name: str, module: str) -> bool:
    return module == name or module.startswith(name + ".")


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and full name of each import, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "a relative import"
            for alias in node.names:
                # `from x import y` may name a module or something inside one:
                # the longer name tells more and covers() judges both alike.
                yield node.lineno, f"{node.module}.{alias.name}"


def violations(module: str, source: str) -> list[str]:
    """
    Say what *module* imports against the rules.

    Args:
        module: Its name without the package's: "store.sqlite", "" for the root.

        source: Its text.
    """
    part = part_of(module)
    found = []
    for line, name in imports(source):
        top, _, inner = name.partition(".")
        if top != PACKAGE:
            if (
                part in PURE
                and top not in sys.stdlib_module_names
                and top not in PURE[part]
            ):
                found.append(f"{module}:{line} {part!r} may not import {name!r}")
            continue
        # The version, which stands in the package itself.
        if inner == "__version__" or covers(part, inner):
            if part == "services" and any(
                covers(program, inner) and not covers(program, module)
                for program in PROGRAMS
            ):
                found.append(f"{module}:{line} a program is not imported: {name!r}")
            continue
        if not allowed(part, inner):
            found.append(f"{module}:{line} {part!r} may not import {name!r}")
    return found


def allowed(part: str, inner: str) -> bool:
    rules = MAY_IMPORT[part]
    if rules and rules[0] == ANY:
        return not any(covers(name, inner) for name in (*rules[1:], *PROGRAMS))
    return any(covers(name, inner) for name in rules)


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_each_module_imports_only_what_its_part_may():
    found = [
        violation
        for path in sorted(SOURCES.rglob("*.py"))
        for violation in violations(module_name(path), path.read_text())
    ]

    assert found == []


def test_services_package_is_empty_so_that_a_program_is_not_run_twice():
    init = SOURCES / "services" / "__init__.py"

    assert not init.exists() or ast.parse(init.read_text()).body == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        pytest.param(
            "domain.orders",
            "from shoonya_platform.store import base",
            id="domain-store",
        ),
        pytest.param(
            "store.sqlite", "import shoonya_platform.brokers.paper", id="store-broker"
        ),
        pytest.param(
            "brokers.paper",
            "from shoonya_platform import store",
            id="from-the-package-itself",
        ),
        pytest.param(
            "risk.limits",
            "from shoonya_platform.store.sqlite import SqliteStore",
            id="risk-names-its-store",
        ),
        pytest.param(
            "execution.order_watcher",
            "def later():\n    from shoonya_platform.brokers import shoonya",
            id="inside-a-function",
        ),
        pytest.param(
            "logging.journal",
            "from shoonya_platform.errors import ConfigError",
            id="logging-is-usable-alone",
        ),
        pytest.param(
            "dashboard.app",
            "from shoonya_platform.services import runtime",
            id="dashboard-services",
        ),
        pytest.param(
            "ctl.up",
            "from shoonya_platform.services.risk_manager import main",
            id="ctl-imports-a-program",
        ),
        pytest.param(
            "services.trading_bot",
            "from shoonya_platform.services import risk_manager",
            id="a-program-imports-a-program",
        ),
        pytest.param(
            "services.trading_bot",
            "import shoonya_platform.ctl.main",
            id="services-ctl",
        ),
        pytest.param(
            "testing.noren.rules",
            "from shoonya_platform.domain.catalogue import Catalogue",
            id="simulator-and-our-instruments",
        ),
        pytest.param(
            "testing.noren.words",
            "from shoonya_platform.brokers.shoonya_words import order_of",
            id="simulator-and-adapter",
        ),
        pytest.param("domain.money", "import starlette", id="domain-is-pure"),
        pytest.param("errors", "from . import clock", id="relative"),
    ],
)
def test_planted_violation_is_found(module, source):
    assert violations(module, source) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        pytest.param("domain.orders", "from shoonya_platform import errors", id="in"),
        pytest.param(
            "execution.x", "from shoonya_platform.store.base import Store", id="port"
        ),
        pytest.param(
            "services.trading_bot",
            "from shoonya_platform.store.sqlite import SqliteStore\n"
            "from shoonya_platform.services.runtime import run",
            id="root",
        ),
        pytest.param(
            "ctl.status",
            "from shoonya_platform.services import service_manager",
            id="leaf",
        ),
        pytest.param("domain.money", "import decimal, msgspec", id="libraries"),
    ],
)
def test_allowed_import_is_not_found(module, source):
    assert violations(module, source) == []


def test_new_part_must_be_given_a_place():
    with pytest.raises(KeyError, match="belongs to no part"):
        part_of("surprise.module")
