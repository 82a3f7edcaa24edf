"""Hypernets that judge architectures: weights are generated for each, so that they are compared before training."""
