"""The service of one machine and its alerts.

run.py          storage, Prefect's server, the flows and the dashboard, started and stopped together
children.py     the child processes of the service
environment.py  the environment that each of them gets
leftovers.py    children of a service that was killed
state.py        the files of a running service: address, processes, lock
secret.py       the secret of Prefect's server
sessions.py     who has opened the dashboard's link;  headers.py: HTTP headers of our pages
ports.py        ports of this machine
check.py        checks whether flows can run here
alerts.py       messages to the webhook of the settings
drift_alarm.py, night_missing.py, night_notes.py, coil_decided.py   the texts of messages
once.py         messages that are sent once
pulse.py        signs of life of a run
"""
