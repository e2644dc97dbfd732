"""Which model to use: the papers' protocols repeated, candidates measured side by side, and a choice by rule."""
