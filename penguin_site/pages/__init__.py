"""Pages for people, and the JSON that only they read."""
