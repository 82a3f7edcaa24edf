"""Smaller networks: which channels, weights and bits are worth keeping."""
