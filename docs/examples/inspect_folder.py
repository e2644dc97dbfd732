"""Inspect a folder of images and plot what is on them.

python docs/examples/inspect_folder.py            # 180 generated images
python docs/examples/inspect_folder.py photos     # your own folder

Needs ``pip install 'steelflow[plots]'``. Writes to ``example-inspect/``: the report and ``defects.png``.
"""

# %%
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl
from PIL import Image

import steelflow

given = [] if hasattr(sys, "ps1") else sys.argv[1:]  # in a notebook: given = ["photos"]
work = Path("example-inspect")

# %% Without a folder: 180 generated images of six defects, and two files that are broken
if given:
    folder = Path(given[0])
else:
    from steelflow.synth import PlantSpec, labelled

    folder = work / "photos"
    for name, data in labelled(PlantSpec(seed=1), per_class=30):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])

# %% Inspect. Run this cell again with more images in the folder: only the new ones are inspected
report = work / f"report-{folder.name}"
result = steelflow.inspect(folder, out=report)
print(f"{result.images} images, {result.failed} unreadable, {result.images_per_second:.0f} images/s by {result.model}")

# %% The report is a Polars LazyFrame with one row for each image
rows = steelflow.open_report(report)
ok = rows.filter(pl.col("status") == "ok")
defects = ok.group_by("label").agg(images=pl.len(), confidence=pl.col("confidence").mean()).sort("images").collect()
failures = rows.filter(pl.col("status") == "failed").select("object_key", "error").collect()
print(defects)
print(failures)

# %% The images that the model is least sure about are the ones to look at. Images in a tar or zip have a `member`
unsure = ok.filter(pl.col("member").is_null()).sort("confidence").head(9).collect()

# %% Left: images by defect. Right: the least certain ones
figure = plt.figure(figsize=(11, 5), layout="constrained")
left, right = figure.subfigures(1, 2)
axes = left.subplots()
if result.failed:
    axes.bar_label(axes.barh(["unreadable"], [result.failed], color="#b3261e"), padding=3)
axes.bar_label(axes.barh(defects["label"], defects["images"], color="#3b6ea5"), padding=3)
axes.set_title(f"{result.images:,} images of {folder}", loc="left")
axes.set_xlabel("images")
axes.spines[["top", "right"]].set_visible(False)
grid = right.subplots(3, 3)
right.suptitle("Least certain")
for place in grid.flat:
    place.set_axis_off()
for place, row in zip(grid.flat, unsure.iter_rows(named=True), strict=False):
    place.imshow(Image.open(folder / row["object_key"]).convert("L"), cmap="gray", vmin=0, vmax=255)
    place.set_title(f"{row['label']} {row['confidence']:.0%}", fontsize=9)
figure.savefig(work / "defects.png", dpi=120)
print("see", work / "defects.png")
