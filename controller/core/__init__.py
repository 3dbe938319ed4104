"""Pure: what one Migration needs next. No I/O, no clock, no randomness of its own."""
