"""What controller, agent and wrapper share. Standard library only: the wrapper is built from it."""
