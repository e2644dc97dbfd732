"""The service of one machine and its alerts.

run.py          storage, Prefect's server, the flows and the dashboard, started and stopped together
children.py     the processes of these
state.py        what a running service leaves in its folder: address, processes, lock
ports.py        ports of this machine
check.py        whether flows can be run here
alerts.py       messages to the webhook of the settings
drift_alarm.py  what such a message says about drift
"""
