"""What the regions of a coil say together: marks that repeat, and how severe a region is. No other room is needed.

lanes.py      the marks at one place across the strip, in order along it
repeats.py    marks that repeat on one side of a coil
periods.py    periods that occur more often than chance allows
track.py      a period that was found, followed along the coil
dirt.py       marks at one place of the frame: dirt on the camera, no mark of a roll
rolls.py      regions in, repeating marks and their rolls out
severity.py   the rules of the settings, for one region and for a coil
"""
