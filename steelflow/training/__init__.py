"""From labelled images to a model.

plan.py         what to train and how;  recipe.py: the schedule;  method.py: the rest, and callbacks
data.py         labelled images from folders or a manifest.py
annotated.py    pictures with boxes or masks;  wanted.py: which training the data is for
augment.py      disturbances;  settable.py: single values of it;  mixing.py: mixup and cutmix
loop.py         the training loop, with loss.py, optimizer.py, average.py, state.py and checkpoint.py;  precision.py,
                memory.py: of its steps
transfer.py     fine-tuning in two phases;  start.py: from a model;  distil.py: from teachers
trained.py      a model in memory, calibrated and evaluated;  metrics.py, novelty.py
train.py        all of it, to files: export.py (ONNX), artifacts.py, card.py, curves.py
evaluate.py     a model on labelled images;  evaluate_views.py: in views;  robustness.py: on disturbed ones
operating_point.py   false alarms against defects found
quantise.py     int8;  rewrite.py: other metadata or float16 weights
sweep.py        the input size by measurement;  steps.py: the time of a step in each precision
"""
