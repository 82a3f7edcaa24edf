"""Sequences: networks whose weights change while they read."""
