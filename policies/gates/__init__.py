"""Whether a move may begin now. One rule a class; README.md says each."""
