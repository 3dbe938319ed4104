"""Tests of the image writer and of the lab's workload."""
