"""The archive: which nights it has, how a night is divided into work units, and the images of a unit as a stream.

template.py       the layout of keys: the line, date and coil of an object
discovery.py      the nights of an archive, and the objects of a night;  unlisted.py: what its listing leaves out
names.py          image, shard, sidecar or other, by the name;  carried.py, sniff.py: by the first bytes
units.py          work units and their fingerprint;  packed.py: their objects in little memory;  groups.py: in groups
readers.py        the images of a unit, one after another
tar.py, zip.py    the readers of shards;  shard.py, formats.py, gunzip.py, links.py, stream.py: what they share
sidecar.py        tables that describe images;  described.py: joined to the images
by_line.py        the limits of one line's images
fetch.py          a single image, by the reference that a report has for it
"""
