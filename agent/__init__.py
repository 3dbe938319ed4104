"""The node side: HTTPS server, persisted stages, transfer. Holds no API-server credentials."""
