"""What a sweep led to, for people: a text table, JSON, CSV, one HTML page."""
