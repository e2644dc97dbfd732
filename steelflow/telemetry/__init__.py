"""Logs for machines and traces: what a plant's own tools collect of a run.

logs.py     one JSON object a line, with the run that it belongs to
traces.py   the stages of a night as OpenTelemetry spans
"""
