"""What went wrong, as the page says it."""

from __future__ import annotations

from ..errors import DreamError, is_out_of_memory


def problem_text(error: Exception) -> str:
    """Return what an error says to the user, in one line, without a traceback."""
    if isinstance(error, DreamError):
        return str(error)
    return "out of memory: take a smaller size" if is_out_of_memory(error) else f"internal error ({error!r})"
