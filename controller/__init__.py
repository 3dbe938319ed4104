"""The controller: pure decisions in `core`, I/O in `runtime`, admission in `webhooks`."""
