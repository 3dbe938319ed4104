"""Rescue on real kubelets: recorded curves of memory, with podferry off, in DryRun and in Act."""
