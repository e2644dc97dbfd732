"""steelflow: overnight inspection of steel-surface image archives."""

from importlib.metadata import version

__version__ = version("steelflow")
