"""Loops: films whose last frame leads back to their first, made of a still or of a film."""
