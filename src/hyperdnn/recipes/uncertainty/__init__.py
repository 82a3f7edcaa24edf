"""Distributions over networks: how sure a prediction is, and what is unfamiliar."""
