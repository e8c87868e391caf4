"""Virtual surveys: whole surveys of invented animals without pictures, thousands of them, scored against the truth."""

from sim.virtual.recipe import Counting, DetectorErrors, Inhabitants, Placing, WorldRecipe
from sim.virtual.world_file import read_world

__all__ = ["Counting", "DetectorErrors", "Inhabitants", "Placing", "WorldRecipe", "read_world"]
