"""Tests of the parts of the lab."""
