"""Nothing is counted."""
