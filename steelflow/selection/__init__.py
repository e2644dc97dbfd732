"""Model selection: reproduce the papers' protocols, compare candidates, and choose one by a rule."""
