"""Roles, and every action that changes something. Each action checks the role of the person who asks."""
