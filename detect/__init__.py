"""What is in the pictures: captures, tiles, detectors, and the way from a pixel to the ground."""
