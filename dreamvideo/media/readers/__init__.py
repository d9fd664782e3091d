"""Frames in: one reader for each kind of source."""
