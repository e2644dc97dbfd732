"""The Python API: the functions that ``steelflow`` offers to notebooks and to other programs.

``steelflow/__init__.py`` loads each of them when it is first used. docs/api.md is made from their docstrings.
"""
