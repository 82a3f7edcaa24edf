"""Continual learning: tasks come one after another, and earlier ones must not be forgotten."""
