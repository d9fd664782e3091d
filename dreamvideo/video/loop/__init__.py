"""Loops: films whose last frame leads to their first."""
