"""Another account of this machine, for tests that run as root."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from typing import Any

import pytest

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another account")


def as_another(act: Callable[[], Any]) -> Any:
    """What ``act`` returns in a process of the account ``nobody``. Its result is sent as JSON."""
    other = pwd.getpwnam("nobody")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(other.pw_gid)
            os.setuid(other.pw_uid)
            with os.fdopen(writer, "w") as out:
                json.dump(act(), out)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as told:
        text = told.read()
    assert os.waitpid(child, 0)[1] == 0, "it failed as the other account"
    return json.loads(text)
