"""Coils are released, held or to be graded: the rules of the settings propose it, a person decides it."""
