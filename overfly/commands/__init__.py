"""One module per verb that crosses rooms: parse, call, print."""
