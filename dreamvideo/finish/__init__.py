"""The dream laid over the frame: compositing, blend modes, masks, flashes."""
