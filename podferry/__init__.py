"""podferry: moves running workloads between Kubernetes nodes without losing their progress."""

__version__ = "0.1.0"
