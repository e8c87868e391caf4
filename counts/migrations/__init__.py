"""How a census file of any age becomes one of today."""
