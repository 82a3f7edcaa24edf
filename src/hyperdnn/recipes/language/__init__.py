"""Language models that are frozen, and what is generated beside them."""
