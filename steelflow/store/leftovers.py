"""Names of temporary files. They contain the host and the process that writes them, so the next process can delete the
files of a killed process and keep those that are still being written."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import uuid
from pathlib import Path


def own_name(prefix: str) -> str:
    """A new name that starts with ``prefix`` and names the process that writes."""
    return f"{prefix}{_host()}-{os.getpid()}-{uuid.uuid4().hex}"


def clear(folder: Path, prefix: str, dry_run: bool = False) -> int:
    """Delete the files whose name starts with ``prefix`` and whose process, on this host, has ended. Returns their
    number."""
    cleared = 0
    named = re.compile(re.escape(f"{prefix}{_host()}-") + r"(\d+)-[0-9a-f]{32}")
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            found = named.fullmatch(path.name)
            if found and not _alive(int(found.group(1))):
                cleared += 1
                if not dry_run:
                    path.unlink(missing_ok=True)
    return cleared


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]+", "", socket.gethostname())
