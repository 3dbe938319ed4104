"""From what agents report of memory to the Migrations that a RescuePolicy asks for. Pure."""
