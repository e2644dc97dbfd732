"""The benchmark of the hot path: rates by stage and end to end, and the upper bound of the machine."""
