"""Generated models of one operator each, with known answers: ``python -m tests.operators``."""
