"""Several objectives at once: one hypernet for all trade-offs between them."""
