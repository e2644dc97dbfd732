"""The folder on this machine where the candidates are trained. Work that was interrupted finds it again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from steelflow import __version__
from steelflow.retrain.material import Material
from steelflow.retrain.retraining import Learnt, Retraining
from steelflow.store.private import own_folder, own_home, owner_only


@contextlib.contextmanager
def workplace(run: Retraining, material: Learnt, below: str = "retrain") -> Iterator[Path]:
    """A folder in ``home``, named after everything that decides the weights. It is removed when the work is done."""
    decisive: list[Any] = [
        material.snapshot.hash,
        material.golden.hash,
        run.champion and run.champion.digest,
        run.settings.selection.arch,
        run.settings.retrain.epochs,
        sorted(material.fresh["image"]),
        sorted(run.details.without),
        run.settings.limits.model_dump(mode="json"),
        __version__,
    ]
    name = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]
    folder = run.settings.home / below / name
    own_home(run.settings.home)
    own_folder(folder)
    for other in folder.parent.iterdir():  # only one retraining runs at a time, so the others were given up
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    with owner_only():
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


def lay_out(run: Retraining, material: Material, work: Path) -> Path:
    """The labelled and the golden images as a folder per class. It appears only when it is complete."""
    data = work / "data"
    if not data.is_dir():
        draft = work / "data.part"
        shutil.rmtree(draft, ignore_errors=True)
        run.labels.export(material.usable, draft)
        run.labels.export(material.golden, draft)
        draft.rename(data)
    return data
