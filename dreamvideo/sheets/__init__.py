"""Contact sheets: one picture dreamed in many ways, each with the flag that makes it."""
