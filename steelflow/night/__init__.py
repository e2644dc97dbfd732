"""The night: every line of one date, planned, inspected and recorded; and what happens to nights afterwards.

dates.py           the night that a moment belongs to
plan.py            which work units of a line are to be inspected
run.py             plan, inspect and finish a night
coverage.py        what a night misses
drop.py            delete reports whose images left the archive
drift.py           compare a night with the reference of its model
soundness.py       whether a night may become part of a reference
reference.py       the drift reference that the model's version brings
comparison.py      any set of images or reports compared with a reference
backfill.py        inspect past nights again
housekeeping.py    retention
"""
