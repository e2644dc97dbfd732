"""Copy result files from the folder of a queue to a permanent folder, if they are new or have more runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from steelflow.errors import DataError
from steelflow.selection.provenance import write_result


def collect(results: Path, into: Path) -> list[Path]:
    """Copy the files of ``results`` that are new, or have at least as many runs as the file of that name in ``into``.

    If the new file has no speed, the old speed is kept: it is measured separately, on an idle machine.

    Returns:
        The files that were written.

    Raises:
        DataError: a file cannot be read.
    """
    written = []
    for path in sorted(results.glob("*.json")):
        new, old = _read(path), _read(into / path.name) if (into / path.name).exists() else {}
        if len(new["runs"]) < len(old.get("runs", ())):
            continue
        kept = {"speed": old["speed"]} if "speed" in old and new["kind"] == "model" else {}
        if (merged := kept | new) != old:
            write_result(into / path.name, merged)
            written.append(into / path.name)
    return written


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
        if isinstance(found["kind"], str) and isinstance(found["runs"], list):
            return dict(found)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(f"{path}: cannot be read as results ({type(exc).__name__}); restore or delete it") from exc
    raise DataError(f"{path}: is not a result file; restore or delete it")
