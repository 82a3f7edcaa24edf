"""Learning new classes from a few samples."""
