"""Figures for Prometheus, and the health of the service. All come from storage: a restart loses nothing.

names.py      every metric, with its labels
figures.py    reads the figures from run records, summaries, drift tables, labels and the registry
text.py       writes them in Prometheus's text format
publish.py    to the textfile and the push gateway of the settings, when a night is done
health.py     what is wrong: storage, Prefect's server, the last night
server.py     /metrics and /healthz over HTTP
"""
