"""Images of the archive at full size, and thumbnails."""
