"""Causal inference: what a treatment changes, learnt from units that got it and units that did not."""
