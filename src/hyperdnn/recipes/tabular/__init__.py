"""Tables with gaps: rows, features, and features that come later."""
