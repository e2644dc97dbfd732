"""The archive: which nights it has, how a night is divided into work units, and the images of a unit as a stream.

template → discovery → units → readers (loose objects, tar, tar.gz, zip)
"""
