"""Annotated pictures in the formats that people have.

formats.py   finds the format;  load.py: reads it and checks every picture;  item.py: the result, and its split
source.py    the folder or file that was given;  shapes.py: outlines
groups.py    what a split keeps together;  lookalikes.py: pictures of one piece of steel
formats      table.py (manifest), folders.py, masks.py, voc.py, coco.py, cvat.py, label_studio.py
safe_xml.py  XML without entities
"""

from __future__ import annotations

from steelflow.training.annotations.formats import FORMATS
from steelflow.training.annotations.item import UNKNOWN, Annotated, Annotations, Box
from steelflow.training.annotations.load import GOOD, Listing, list_annotations, load_annotations

__all__ = [
    "FORMATS",
    "GOOD",
    "UNKNOWN",
    "Annotated",
    "Annotations",
    "Box",
    "Listing",
    "list_annotations",
    "load_annotations",
]
