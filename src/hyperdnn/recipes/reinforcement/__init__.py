"""Agents that learn from what they do."""
