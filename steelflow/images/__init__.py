"""One image: bytes to a grey image, and four figures of its quality.

decode.py         bytes to a grey image, or a ``Failure``
jpeg.py, png.py, tiff.py, tiffdecode.py, jpeg2000.py, codestream.py, netpbm.py, pillow.py   the formats
pages.py          the pages of a TIFF;  orientation.py: EXIF
samples.py        from values to grey levels;  beside.py: the bits of exported images, in a file beside them
limits.py         what a picture may cost
kinds.py          what a file is that is no image
quality.py        brightness, contrast, sharpness, saturation
"""
