"""
How `shoonyactl` speaks with a running ServiceManager: one JSON line each way.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shoonya_platform.errors import NotRunning, ShoonyaError

TIMEOUT_SECONDS = 5.0
MAX_LINE_BYTES = 1 << 20


def control_path(runtime_dir: Path) -> Path:
    return runtime_dir / "control"


def ask(runtime_dir: Path, request: Mapping[str, object]) -> dict[str, Any]:
    """
    Ask the manager; return its answer.

    Raises:
        NotRunning: Nobody listens there.
        PermissionError: The socket is not for who asks; it has the path.
        ShoonyaError: The manager refused, with its reason.
    """
    path = control_path(runtime_dir)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(TIMEOUT_SECONDS)
        try:
            peer.connect(str(path))
            peer.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(read_line(peer))
        except PermissionError as e:
            # Of a socket it has no name, and who reads it needs one.
            raise PermissionError(e.errno, e.strerror, str(path)) from e
        except (OSError, ValueError) as e:
            raise NotRunning(
                f"no services run on '{runtime_dir}'", hint="start them: shoonyactl up"
            ) from e
    if "error" in answer:
        raise ShoonyaError(answer["error"])
    return dict(answer)


def read_line(peer: socket.socket) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
        chunk = peer.recv(65536)
        if not chunk:
            break
        line += chunk
    return bytes(line)
