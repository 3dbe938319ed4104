"""The container strategy (CRIU): what may be moved, where to, how, and how long it takes.

Owns the checks before a move and the predictions. It never decides the course of a move, which is
`controller/core`, and never talks to anyone: raw pods, node views and finished moves come in.
"""
