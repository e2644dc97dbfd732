"""Prefect flows, thin: a task is one call of the library.

nightly.py, drift_check.py, retrain.py, backfill.py, housekeeping.py    one flow each
consequences.py    what follows from a night: alert, event, retraining
outcome.py         how flows end and report errors;  patience.py: retries
serve.py           the process that runs the deployments;  by_name.py: how its children get a flow
dead.py            runs whose process is dead, ended and resumed;  watch.py: the process that finds them on work pools
server.py          Prefect's server, for this machine only
"""
