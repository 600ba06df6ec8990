"""Measurements of builds and of what they give; see README.md."""
