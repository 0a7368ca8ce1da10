"""Runs schemathesis, from an environment of its own, on the webhook's own document."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.acceptance.platform import SECRET, Platform

#: Only this bench needs it, and it brings forty packages along.
SCHEMATHESIS = "schemathesis==4.32.5"
_VENV = Path(__file__).parents[2] / ".venv" / "schemathesis"
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


def described(examples: int, seed: int) -> bool:
    """Ask a running platform what its document allows; return whether all was well."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        with Platform(folder) as platform:
            url = f"http://127.0.0.1:{platform.webhook_port}"
            asking = http.client.HTTPConnection("127.0.0.1", platform.webhook_port)
            asking.request("GET", "/openapi.json")
            document = json.load(asking.getresponse())
            asking.close()
            alert = document["components"]["schemas"]["Alert"]
            # Else it would be all refusals.
            alert["properties"]["secret_key"] = {"const": SECRET}
            path = folder / "openapi.json"
            path.write_text(json.dumps(document))
            command = [_program(), "run", str(path), "--url", url, "--seed", str(seed)]
            command += ["--checks", ",".join(_CHECKS), "-n", str(examples)]
            done = subprocess.run(command, cwd=folder, check=False)
            health = platform.health()["execution_service"]
    return done.returncode == 0 and health["restarts"] == 0


def _program() -> str:
    program = _VENV / "bin" / "schemathesis"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(_VENV)], check=True)
        pip = [str(_VENV / "bin" / "pip"), "install", "--quiet", SCHEMATHESIS]
        subprocess.run(pip, check=True)
    return str(program)
