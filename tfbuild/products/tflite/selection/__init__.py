"""Builds with the operators of given models alone: ``tflite.ops=from-models``."""
