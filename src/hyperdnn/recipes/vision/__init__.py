"""Networks for images, with weights that are generated for all of them or for each."""
