import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "logging.md"


def test_example_writes_what_the_page_shows(tmp_path):
    example, shown, *_ = re.findall(r"```(?:python)?\n(.*?)```", PAGE.read_text(), re.S)
    (tmp_path / "example.py").write_text(example)

    subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
        },
        check=True,
    )

    written = (tmp_path / "logs" / "risk_manager.log").read_text()
    assert comparable(written) == comparable(shown)


def test_example_loads_no_other_part_of_the_package(tmp_path):
    example, *_ = re.findall(r"```(?:python)?\n(.*?)```", PAGE.read_text(), re.S)
    script = f"""{example}
import sys
ours = [name for name in sys.modules if name.startswith("shoonya_platform")]
print(*(name for name in ours if not name.startswith("shoonya_platform.logging")))
"""

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["shoonya_platform"]


def comparable(text: str) -> list[str]:
    text = re.sub(r"^[-0-9]+ [:.0-9]+", "TIME", text, flags=re.MULTILINE)
    text = re.sub(r"run=\w+", "run=RUN", text)
    return re.sub(r'"[^"]*example\.py"', '"example.py"', text).splitlines()
