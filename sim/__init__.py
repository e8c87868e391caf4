"""A world to try it in: a vehicle, land, animals and a camera that stand in for the real ones."""
