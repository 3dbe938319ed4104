"""Admission of pods: opt-in RuntimeClass, and exactly one claimed target for each move."""
