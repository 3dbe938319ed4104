"""The vocabulary: types, conditions, reasons, clock, errors. Imports nothing else of podferry."""
