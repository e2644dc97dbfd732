"""Day one without labels: a model of good strip from the plant's own frames, a few per cent of them defective.

plan.py       the options, and the nights that a text names
sample.py     frames of the archive, over lines, coils and positions; a bounded number
views.py      the views that are cut from them
planted.py    defects that are planted in views
selftaught.py a network that learns to find these
features.py   features of a pretrained network, if there is one
bank.py       cells of good strip that stand for all of them; the views that are left out
threshold.py  the operating point for a share of false alarms
fit.py        the model, from views
write.py      its files
run.py        all of these, in order
measure.py    how well it tells defective pictures from good ones
"""
