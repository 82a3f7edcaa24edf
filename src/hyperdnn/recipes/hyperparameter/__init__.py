"""Hyperparameters: found while the weights are learnt, not by learning them again and again."""
