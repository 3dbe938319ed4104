"""A real Kubernetes cluster on one machine. Knows nothing of the controller."""
