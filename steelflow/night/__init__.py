"""The night: every line of one date, planned, inspected and recorded; and what happens to nights afterwards.

dates.py           the night that a moment belongs to
plan.py            which work units of a line are to be inspected
run.py             a night from its images to its record
opened.py          its images and its model: plan and inspect units
finish.py          the end: summaries, roll marks, drift, the record
record.py          the record, made from what was planned and what came back
result.py          what commands and flows tell of it
progress.py        how far it is
coverage.py        what a night misses
moved.py           images that have moved in the archive
drop.py            delete reports whose images left the archive
drift.py           compare a night with the reference of its model
soundness.py       whether a night may become part of a reference
reference.py       the drift reference that the model's version brings
comparison.py      any set of images or reports compared with a reference
backfill.py        inspect past nights again
housekeeping.py    retention
"""
