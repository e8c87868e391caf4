"""The verbs that need nothing but this room, a module each."""
