"""Inspection: work units in, committed reports out.

pipeline.py    the hot path: read, decode, measure, classify, write. Labels and novelty follow from the outputs when the
               rows are made, in ``report.judged``.
judge.py       a chunk of images: decoded, measured, classified;  frames.py: frames in views
infer.py       any source to a report, without nights and lines
tuned.py       engine and batch size by measurement, remembered
runtime.py     settings of other libraries for a process that inspects
"""
