"""The settings, a file for each subject. ``steelflow.config`` composes and loads them."""
