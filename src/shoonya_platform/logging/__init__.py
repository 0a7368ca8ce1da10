"""
Logging of many processes to the journal and to files, usable alone.

See `docs/logging.md`.  Depends on the standard library; where systemd-python is
installed, records go to the journal as well, and where zstandard is, old files
become archives.
"""

from __future__ import annotations

from shoonya_platform.logging.archives import open_log
from shoonya_platform.logging.components import COMPONENTS, Components
from shoonya_platform.logging.context import bound_context, in_bound_context
from shoonya_platform.logging.errors import (
    BudgetError,
    JournalMissingError,
    LogDirectoryError,
    LoggingSetupError,
)
from shoonya_platform.logging.formats import ParsedLine, parse_line
from shoonya_platform.logging.logger_config import (
    export_logs_summary,
    get_log_files,
    rotate_logs,
    setup_application_logging,
    setup_logging,
    shutdown_logging,
)
from shoonya_platform.logging.service_logger import (
    ServiceLogger,
    get_component_logger,
)
from shoonya_platform.logging.usage import ComponentUse, DiskUse, disk_use

__all__ = [
    "COMPONENTS",
    "BudgetError",
    "ComponentUse",
    "Components",
    "DiskUse",
    "JournalMissingError",
    "LogDirectoryError",
    "LoggingSetupError",
    "ParsedLine",
    "ServiceLogger",
    "bound_context",
    "disk_use",
    "export_logs_summary",
    "get_component_logger",
    "get_log_files",
    "in_bound_context",
    "open_log",
    "parse_line",
    "rotate_logs",
    "setup_application_logging",
    "setup_logging",
    "shutdown_logging",
]
