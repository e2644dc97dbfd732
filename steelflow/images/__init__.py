"""One image: bytes to a grey image, and four figures of its quality."""
