"""Networks by name: loaded, cut at the layers in use, and made fast."""
