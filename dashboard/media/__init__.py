"""Pictures and thumbnails of archive images."""
