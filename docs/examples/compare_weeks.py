"""Compare the images of two weeks: did the surface, the light or the camera change?

python docs/examples/compare_weeks.py                      # two generated weeks; in the second, the lamp has aged
python docs/examples/compare_weeks.py week-46 week-47      # your own folders, 500 images or more each

Needs ``pip install 'steelflow[plots]'``. Writes to ``example-drift/``: two reports and ``drift.png``.
"""

# %%
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl

import steelflow

given = [] if hasattr(sys, "ps1") else sys.argv[1:]  # in a notebook: given = ["week-46", "week-47"]
work = Path("example-drift")

# %% Without folders: two weeks of 540 generated images. In the second week the lamp is darker and the lens is dirty
if given:
    weeks = [Path(name) for name in given]
else:
    from steelflow.synth import Camera, PlantSpec, labelled

    weeks = [work / "week-46", work / "week-47"]
    for week, seed, camera in zip(weeks, (46, 47), (Camera(), Camera(gain=0.8, defocus=0.7)), strict=True):
        for name, data in labelled(PlantSpec(seed=seed, size=100, camera=camera), per_class=90):
            (week / name).parent.mkdir(parents=True, exist_ok=True)
            (week / name).write_bytes(data)

# %% Inspect both weeks; the reports are compared
reports = [work / "-".join(["report", *week.absolute().parts[1:]]) for week in weeks]
for week, report in zip(weeks, reports, strict=True):
    print(week, steelflow.inspect(week, out=report).images, "images")

# %% Compare the second week with the first
found = steelflow.compare_drift(*reports)
print("verdict:", found.verdict)
for reason in found.reasons:
    print("-", reason)

# %% Left: how far each signal moved, as a share of its threshold. Right: one of the figures behind it
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
signals = found.signals[::-1]
colours = ["#b3261e" if one.breach else "#9aa7b4" for one in signals]
left.barh([one.signal for one in signals], [max(one.share, 0) for one in signals], color=colours)
left.axvline(1, color="#1c2733", linewidth=1, linestyle="--")
left.set_xlabel("times its threshold")
left.set_title(f"Verdict: {found.verdict}", loc="left")
for week, report, colour in zip(weeks, reports, ("#9aa7b4", "#b3261e"), strict=True):
    brightness = steelflow.open_report(report).filter(pl.col("status") == "ok").select("brightness").collect()
    right.hist(brightness["brightness"], bins=40, range=(0, 255), alpha=0.6, color=colour, label=week.name)
right.set_xlabel("brightness of an image (mean grey level)")
right.set_ylabel("images")
right.set_title("Brightness in both weeks", loc="left")
right.legend(frameon=False)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
figure.savefig(work / "drift.png", dpi=120)
print("see", work / "drift.png")
