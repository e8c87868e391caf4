"""The HTTP API, one module a noun; `routers` is all of them."""
