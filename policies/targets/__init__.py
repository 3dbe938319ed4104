"""Who takes a pod. One rule a class; README.md says each."""
