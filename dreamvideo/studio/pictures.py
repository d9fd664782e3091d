"""Pictures as the page shows them."""

from __future__ import annotations

from typing import Any

import cv2

QUALITY = 93


def jpeg(picture: Any) -> bytes:
    """Return a picture, RGB (H, W, 3) of 8 bits, as a JPEG of full colour resolution."""
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return bytes(cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY, *sampling])[1])
