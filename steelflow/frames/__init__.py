"""Frames of the strip: the views that are cut from them, the strip in them, and the regions of defect that they show.

views.py       overlapping squares at native scale
background.py  the area off the strip
cells.py       the defect views of a frame, painted on a canvas of cells; regions are its connected areas
place.py       pixels of a frame as millimetres and metres of the strip
"""
