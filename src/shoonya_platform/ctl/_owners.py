"""Gives files that root has written to the services' own user."""

from __future__ import annotations

import os
from pathlib import Path


def hand_over(state_dir: Path, folder: Path) -> None:
    """Give a folder and its files to the owner of the state directory."""
    if os.geteuid() != 0:
        return
    owner = state_dir.stat()
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)
