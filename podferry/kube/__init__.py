"""The API server: client, reflector, store, queue, lease, events, admission. Decides nothing."""
