"""Numbers that change over time: expressions and keyframes, and what is heard in music."""
