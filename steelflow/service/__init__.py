"""The service of one machine and its alerts.

run.py          storage, Prefect's server, the flows and the dashboard, started and stopped together
children.py     the child processes of the service
state.py        the files of a running service: address, processes, lock
ports.py        ports of this machine
check.py        checks whether flows can run here
alerts.py       messages to the webhook of the settings
drift_alarm.py  the text of drift alerts
"""
