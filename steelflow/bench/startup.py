"""What a run costs before its first picture: imports, the model, tuning, and a run of a thousand pictures in all."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelflow.bench import sources
from steelflow.bench.child import Ran, ran

_LOAD = """
import sys
from pathlib import Path
from steelflow.config import Settings
from steelflow.inspection.pipeline import load_model
load_model(Settings(home=Path(sys.argv[1])))
"""
_INFER = "from steelflow.cli.start import main; main()"


def startup(data: Path | None, count: int, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds by the clock and of the processor, medians of ``rounds`` rounds, each in a process of its own: the bare
    interpreter, imports of ``infer``, with the model measured and remembered, and ``infer`` of ``count`` pictures.

    The modules are compiled before, by a round that does not count, as they are where steelflow is installed.
    """
    images = sources.originals(data)
    found: dict[str, list[Ran]] = {}
    with tempfile.TemporaryDirectory(prefix="steelflow-startup-") as scratch:
        root = Path(scratch)
        sources.write_loose(root / "loose", images, count)
        for turn in range(rounds + 1):
            home = root / f"home-{turn}"
            own = {"STEELFLOW_HOME": str(home), **_compiled(root)}
            steps = {
                "interpreter": ["-c", "pass"],
                "imports": ["-c", "import steelflow.cli.main, steelflow.cli.infer"],
                "model, measured": ["-c", _LOAD, str(home)],
                "model, remembered": ["-c", _LOAD, str(home)],
                f"infer {count}": ["-c", _INFER, "infer", str(root / "loose"), "--out", str(root / f"out-{turn}")],
            }
            for name, arguments in steps.items():
                say(f"round {turn} of {rounds}: {name}")
                one = ran(arguments, own)
                if turn:
                    found.setdefault(name, []).append(one)
    steps_found = {
        name: {
            "wall": statistics.median(one.wall for one in each),
            "cpu": statistics.median(one.cpu for one in each),
        }
        for name, each in found.items()
    }
    last = steps_found[f"infer {count}"]
    beyond = {kind: last[kind] - steps_found["interpreter"][kind] for kind in ("wall", "cpu")}
    return {"images": count, "rounds": rounds, "steps": steps_found, "beyond_interpreter": beyond}


def _compiled(root: Path) -> dict[str, str]:
    """Python keeps compiled modules below ``root``, even if the environment or the folder of the code forbids it."""
    return {"PYTHONPYCACHEPREFIX": str(root / "compiled"), "PYTHONDONTWRITEBYTECODE": ""}
