"""Server-side times of the pages, over the reports of the settings: ``python -m dashboard.bench`` prints JSON.

The pages run as for a visitor, from top to bottom, in a process with empty caches. The imports, once per process, are
measured separately.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from streamlit.testing.v1 import AppTest

from dashboard.ahead import import_ahead
from dashboard.auth import queues
from dashboard.data import coils, find, sources
from dashboard.data.finding import Here
from steelflow.inspection.runtime import prepare
from steelflow.labels import open_labels

APP = Path(__file__).parent / "app.py"
_PATIENCE = 300.0  # seconds


def main() -> None:
    seconds: dict[str, float] = {}
    cpu: dict[str, float] = {}
    prepare()
    started = time.perf_counter()
    import_ahead()
    seconds["imports, once per process"] = round(time.perf_counter() - started, 3)
    app = AppTest.from_file(APP, default_timeout=_PATIENCE)

    def timed(what: str, act: Callable[[], object]) -> None:
        started, worked = time.perf_counter(), time.process_time()
        act()
        seconds[what] = round(time.perf_counter() - started, 3)
        cpu[what] = round(time.process_time() - worked, 3)
        if wrong := [one.value for one in (*app.error, *app.exception)]:
            sys.exit(f"{what}: {wrong[0]}")

    timed("Tonight, first view", app.run)
    timed("Tonight, again", app.run)
    app.switch_page("app_pages/defects.py")
    timed("Defects, first view", app.run)
    timed("Defects, a year", lambda: app.segmented_control(key="range").set_value("1 year").run())
    lines = app.multiselect(key="lines").options
    timed("Defects, a year of one line", lambda: app.multiselect(key="lines").set_value(lines[:1]).run())
    app.multiselect(key="lines").set_value([])
    sure = app.segmented_control(key="sure")
    timed("Defects, a year, hardly sure", lambda: sure.set_value(sure.options[:2]).run())
    models = app.multiselect(key="model").options
    timed("Defects, a year of one model", lambda: app.multiselect(key="model").set_value(models[:1]).run())
    sure.set_value([])
    app.multiselect(key="model").set_value([])
    timed("Defects, a year, coils C10…", lambda: app.text_input(key="coil").set_value("C10").run())
    timed("Defects, a year, coils C…", lambda: app.text_input(key="coil").set_value("C").run())
    app.text_input(key="coil").set_value("").run()

    def opened(page: str, what: str, again: bool = True) -> None:
        app.switch_page(f"app_pages/{page}.py")
        timed(what, app.run)
        if again:
            timed(f"{what}, again", app.run)

    opened("runs", "Runs, first view")
    opened("coil", "Coil, first view")
    timed("Coil, the next one", lambda: app.button(key="after").click().run())
    opened("images", "Images, the last night")
    night = app.selectbox(key="night")
    timed("Images, a night of 100", lambda: night.set_value(night.options[-1]).run())
    night.set_value(night.options[0]).run()
    opened("drift", "Drift, first view")
    last = sources.nights()[-1]
    signal = sources.drift(last, last)["signal"].drop_nulls()
    labels = open_labels(sources.settings())
    moved = partial(queues.moved, labels, last, lines[0])
    timed("Drift, the images that moved", lambda: moved("unfamiliar" if "unfamiliar" in signal else signal[0]))
    opened("review", "Review, a new queue")
    timed("Review, images of a second reader", lambda: queues.begin(labels, lines[0], "cleo"))
    opened("classes", "Classes, first view")
    opened("models", "Models, first view")
    for part in ("Two versions", "Map of a night"):
        app.query_params["part"] = part
        timed(f"Models, {part.lower()}", app.run)
        timed(f"Models, {part.lower()}, again", app.run)
    timed("Coils to decide, first", lambda: coils.coils(last))
    timed("Coils to decide, again", lambda: coils.coils(last))
    timed("Can I trust this night, first", lambda: coils.trusted(last))
    timed("Find, a coil, first", lambda: find.answer("C1042", Here()))
    timed("Find, a coil of last tuesday", lambda: find.answer("1007 last tuesday", Here()))
    timed("Find, a name that is not there", lambda: find.answer("xyzzy", Here()))
    timed("Find, an image of a night", lambda: find.answer("image _00017", Here()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_mib": round(peak)}) + "\n")


if __name__ == "__main__":
    main()
