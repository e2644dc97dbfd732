"""One image: bytes to a grey picture, and four figures of its quality."""
