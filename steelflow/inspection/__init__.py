"""Inspection: work units in, committed reports out.

pipeline.py    the hot path: read, decode, measure, classify, write
infer.py       any source to a report, without nights and lines
"""
