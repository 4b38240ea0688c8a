"""Options that come in sets: those of all commands that build, and those of each method."""
