"""The service of one machine and its alerts.

run.py          storage, Prefect's server, the flows and the dashboard, started and stopped together
children.py     the child processes of the service
environment.py  the environment that each of them gets
leftovers.py    children of a service that was killed
state.py        the files of a running service: address, processes, lock
secret.py       the secret of Prefect's server
sessions.py     who has opened the dashboard's link
ports.py        ports of this machine
check.py        checks whether flows can run here
alerts.py       messages to the webhook of the settings
drift_alarm.py  the text of drift alerts
"""
