"""ONE IMAGE: octaves, gradient ascent, objectives, guides, tiles, memory. Nothing here knows of time."""
