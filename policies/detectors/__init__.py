"""Which node needs help, how much, and until when. One rule a class; README.md says each."""
