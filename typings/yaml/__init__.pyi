"""What the tests use of PyYAML."""

from typing import Any

def safe_load(stream: str) -> Any: ...
