"""Train models of strip: views cut from annotated pictures, a map of their cells, good as a class, a threshold."""
