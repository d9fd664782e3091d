"""Curves: numbers that change over time, written as expressions or keyframes, which may follow music."""
