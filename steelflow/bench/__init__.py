"""The benchmark of the hot path: rates by stage and end to end, and the bound that the machine sets."""
