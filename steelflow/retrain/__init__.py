"""The loop closes here: from new labels to a new champion, or to the reason for keeping the old one.

run.py          a retraining from its request to its record
retraining.py   the request, and the state that the stages share
wanted.py       the classes that a new model has to know
ready.py        what is checked before anything changes
due.py          are there enough new labels, and is the last retraining long enough ago?
material.py     the labels and the golden set
workplace.py    the folder where the candidates are trained
candidates.py   from scratch and fine-tuned; on_node.py has them trained on a node of a cluster
trial.py        the better one against the champion; judging.py asks both models, gate.py decides
decision.py     registered, and promoted or not; reference.py makes the new reference for drift
record.py       what was decided, and why
"""

from steelflow.retrain.due import Due, due, new_labels
from steelflow.retrain.gate import Gate
from steelflow.retrain.record import RetrainResult, Trigger, records
from steelflow.retrain.run import retrain
from steelflow.retrain.trial import Trial

__all__ = ["Due", "Gate", "RetrainResult", "Trial", "Trigger", "due", "new_labels", "records", "retrain"]
