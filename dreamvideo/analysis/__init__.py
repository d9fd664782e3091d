"""How steady and strong a dream is."""
