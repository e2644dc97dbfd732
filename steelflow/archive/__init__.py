"""The archive: which nights there are, how a night falls into work units, and the images of a unit as a stream.

template → discovery → units → readers (loose objects, tar, tar.gz, zip)
"""
