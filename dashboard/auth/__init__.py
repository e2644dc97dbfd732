"""Roles, and every action that changes something. Each action checks the role of the user."""
