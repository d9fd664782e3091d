"""Frames out: one writer for each kind of output."""
