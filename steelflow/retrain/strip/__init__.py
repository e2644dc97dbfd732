"""Retraining where the champion is a model of views: labels have a place, and whole frames are judged.

material.py     labelled frames and regions, the golden set by coil
pictures.py     the frames as annotated pictures for training
candidates.py   from scratch, and from the champion's weights
judging.py      what a model says of labelled frames, in views, as inspection does
trial.py        the better candidate against the champion
champion.py     whether the model that inspects is a model of views
run.py          from the labels to the decision
"""
