"""Reports: one Parquet file per work unit, and what is derived from them.

layout.py       the keys of everything below a report's root
judged.py       the results of a chunk, and the rows made from them: label, margin, novelty
writer.py       one file per unit, complete or not at all;  footer.py: its fingerprint and counts
reader.py       lazy Polars frames of a night's rows;  scan.py: files as one frame;  places.py: reports in any place
good.py         which labels are defects;  rates.py: defects per 100 m of strip, or per 1,000 images
summary.py      counts and means of a partition;  daily.py: the same of every night, by month
notes.py        what people should read first: the model does not know what it saw
model_notes.py  … or there are two models;  unit_notes.py: ignored files and wrong sidecars;  depth.py: unused bits
regions.py      the regions of reports;  region_file.py, region_rows.py: their file and its rows;  severity.py
marks.py        marks that repeat along the coils of a partition, with the rolls that leave them
record.py       the record of one run of a night;  runs.py: reads the records;  progress.py: how far a night is
coil_index.py   the names of all coils
own.py          which files are reports
columns.py      Arrow columns from plain values;  sheets.py: tables for spreadsheet programs
neighbours.py   the images nearest to one in embedding space
"""
