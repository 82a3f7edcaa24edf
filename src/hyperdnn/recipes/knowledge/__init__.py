"""Knowledge graphs: entities, relations between them, and those that nobody has written down."""
