"""The loop closes here: from new labels to a new champion, or to the reason why not."""

from steelflow.retrain.gate import Gate
from steelflow.retrain.record import RetrainResult, Trigger, records
from steelflow.retrain.run import Due, due, new_labels, retrain
from steelflow.retrain.trial import Trial

__all__ = ["Due", "Gate", "RetrainResult", "Trial", "Trigger", "due", "new_labels", "records", "retrain"]
