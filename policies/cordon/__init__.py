"""Whether a node takes new pods. One rule a class; README.md says each."""
