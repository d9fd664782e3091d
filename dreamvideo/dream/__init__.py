"""Dreams one image: octaves, gradient ascent, objectives, guides, tiles and memory. Nothing here knows of time."""
