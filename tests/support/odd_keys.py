"""Keys of objects that plants have, and that a client or a server can get wrong."""

KEYS = [
    "line=1/date=2026-11-18/coil=C-7/0001.jpg",
    "a b.jpg",
    "a+b.jpg",
    "50%.jpg",
    "a%20b.jpg",
    "Blechoberfläche/日本.jpg",
    "q?x=1&y=2#z.jpg",
    'it\'s "so".jpg',
    "...",
    "n" * 200 + "/" + "m" * 200 + ".jpg",
    "/".join(["deep"] * 40) + "/x.jpg",
]
