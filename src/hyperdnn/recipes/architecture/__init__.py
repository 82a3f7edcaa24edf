"""Architectures: networks that are given weights, and chosen, before they are trained."""
