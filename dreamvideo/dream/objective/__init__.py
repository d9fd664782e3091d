"""What gradient ascent maximises: a weighted sum of layers, channels, classes and guides."""
