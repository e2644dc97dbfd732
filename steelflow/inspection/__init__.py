"""Inspection: work units in, committed reports out.

pipeline.py    the hot path: read, decode, measure, classify, write
infer.py       inspect any source, without nights and lines
"""
