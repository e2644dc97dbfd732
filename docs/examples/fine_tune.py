"""Fine-tune the model that ships with steelflow on your own labelled images.

python docs/examples/fine_tune.py                 # 240 generated images of a plant with dark, uneven light
python docs/examples/fine_tune.py labelled        # your own folder, with one folder of images for each class

Needs ``pip install 'steelflow[train,plots]'``. Writes to ``example-train/``: the model and ``fine-tuning.png``.
"""

# %%
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import steelflow

given = [] if hasattr(sys, "ps1") else sys.argv[1:]  # in a notebook: given = ["labelled"]
work = Path("example-train")

# %% Without a folder: 40 generated images of each of six defects. The light is dark and uneven, and the camera noisy
if given:
    folder, epochs = Path(given[0]), None  # by the number of images
else:
    from steelflow.synth import Camera, PlantSpec, labelled

    folder, epochs = work / "labelled", 20
    ours = PlantSpec(seed=7, size=100, camera=Camera(gain=0.45, gradient=0.6, noise_db=14))
    for name, data in labelled(ours, per_class=40):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

# %% How good is the shipped model on these images? Only the fifth counts that training will hold out
try:
    before = steelflow.evaluate("steelnet", folder, held_out=0).figures
    print(f"as shipped: {before.accuracy:.1%} of {before.images} images right")
except steelflow.errors.DataError as exc:  # your classes are not those of the shipped model
    before = None
    print("as shipped:", exc)

# %% Fine-tune. Interrupted, run this cell again: it resumes after the last complete epoch
curve = []
result = steelflow.train(folder, out=work / "model", start="steelnet", epochs=epochs, seed=0, progress=curve.append)
after = result.evaluation
print(f"fine-tuned: {after.accuracy:.1%} of {after.images} images right, trained on {result.trained_on}")
print("model:", result.onnx)

# %% Use it. The same path works in `steelflow.inspect` and in `steelflow infer --model`
some = sorted(folder.rglob("*.jpg"))[:3]
print(steelflow.classify(some, model=result.onnx).select("object_key", "label", "confidence"))

# %% Left: the training loss. Right: the share of each class that is recognised, before and after
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
left.plot([one.epoch for one in curve], [one.loss for one in curve], marker="o", color="#3b6ea5")
left.set_xlabel("epoch")
left.set_ylabel("training loss")
left.set_title(f"Fine-tuning on {result.trained_on} images", loc="left")
names = [one.name for one in after.classes]
places = np.arange(len(names))
for figures, label, colour, shift in ((before, "as shipped", "#9aa7b4", 0.2), (after, "fine-tuned", "#3b6ea5", -0.2)):
    if figures is not None:
        recall = {one.name: one.recall or 0.0 for one in figures.classes}
        title = f"{label}: {figures.accuracy:.0%} right"
        right.barh(places + shift, [recall.get(name, 0.0) for name in names], 0.4, color=colour, label=title)
right.set_yticks(places, names)
right.set_xlabel("recall on held-out images")
right.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
figure.savefig(work / "fine-tuning.png", dpi=120)
print("see", work / "fine-tuning.png")
