"""Where to fly: areas, designs, coverage, sorties, missions, and the vehicle that flies them."""
