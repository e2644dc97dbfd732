"""Class folders: ``root/<class>/<picture>``, or with more folders below a class."""

from __future__ import annotations

from steelflow.training.annotations.source import Draft, Found, Source, is_picture

NAME = "folders"
TITLE = "class folders"
EXPECTS = "one folder per class, with pictures inside"


def clue(source: Source) -> str | None:
    """What shows that ``source`` is in this format, if it is."""
    if source.given.is_file():
        return None
    classes = sorted({path.split("/")[0] for path in source.pictures if "/" in path})
    return f"folders {', '.join(classes[:5])}{', …' * (len(classes) > 5)}" if classes else None


def read(source: Source) -> Found:
    found = Found()
    for path in source.files:
        if "/" in path:
            found.drafts.append(Draft(path, path.split("/")[0]))
        elif is_picture(path):
            found.skip(path, "no_class", "it is beside the folders of the classes, not in one of them")
    return found
