"""What gradient ascent maximises: layers, channels, classes and guides, each with a weight."""
