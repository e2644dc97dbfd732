"""The service of one machine and its alerts.

processes.py    storage, Prefect's server, the flows and the dashboard, started and stopped together
alerts.py       messages to the webhook of the settings
"""
