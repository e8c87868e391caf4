"""The verbs that stay in this room."""
