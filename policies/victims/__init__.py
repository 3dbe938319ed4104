"""Which pods relieve a node. One rule a class; README.md says each."""
