"""What lies in ``home`` is readable by its owner only, also what an earlier version left there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steelflow.store.private import OWNER_ONLY, own_folder, own_home, owner_only, write_own


def open_to_others(folder: Path) -> set[str]:
    found = {path for path in (folder, *folder.rglob("*")) if not path.is_symlink()}
    return {str(path.relative_to(folder)) for path in found if path.stat().st_mode & OWNER_ONLY}


def test_a_new_home_is_closed(tmp_path: Path) -> None:
    assert open_to_others(own_home(tmp_path / "a" / "home")) == set()


def test_an_old_home_is_closed_with_all_that_steelflow_made(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for name in ("objects/plant/x.jpg", "prefect/server.log", "s3/server.json", "models/ab/model.onnx", "own/notes"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
    elsewhere.write_text("x")
    (home / "objects" / "link").symlink_to(elsewhere)
    for path in (home, *home.rglob("*"), elsewhere):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o664)
    own_home(home)
    assert open_to_others(home) == {"own", "own/notes"}  # files that are not ours: the closed home protects them
    assert elsewhere.stat().st_mode & 0o777 == 0o664
    assert (home / "objects" / "plant" / "x.jpg").stat().st_mode & 0o777 == 0o600


def test_what_is_made_meanwhile_is_closed(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with owner_only():
            (tmp_path / "closed").write_text("x")
            (tmp_path / "folder").mkdir()
        (tmp_path / "open").write_text("x")
    finally:
        os.umask(before)
    assert open_to_others(tmp_path) - {"."} == {"open"}


@pytest.mark.parametrize("there", [False, True])
def test_a_secret_is_never_open(tmp_path: Path, there: bool) -> None:
    folder = own_folder(tmp_path / "a")
    if there:
        (folder / "secret").write_text("old")
        (folder / "secret").chmod(0o644)
    write_own(folder / "secret", "new")
    assert (folder / "secret").read_text() == "new"
    assert open_to_others(folder) == set()
