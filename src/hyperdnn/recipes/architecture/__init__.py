"""Architectures: networks chosen, or given weights, before they are trained."""
