"""`make bench`: what a move costs, beside the same protocol driven by a script, in one run.

Measures only: changes nothing of podferry, judges nothing that it did not see. One subject a file;
`stats`, `rows`, `share`, `gap` and `page` are pure, the others speak to a lab of their own.
"""
