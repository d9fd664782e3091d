"""Measures how steady and how strong a dream is, and writes reports of it."""
