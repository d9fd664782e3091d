"""OVER TIME: the render loop, motion, and the dream carried from frame to frame."""
