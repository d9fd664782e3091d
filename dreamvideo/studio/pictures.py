"""Pictures as the page shows them."""

from __future__ import annotations

from typing import Any

import cv2

QUALITY = 93


def jpeg(picture: Any, height: int = 0) -> bytes:
    """Return a picture, RGB (H, W, 3) of 8 bits, as a JPEG of full colour resolution.

    Args:
        picture: its pixels.
        height: px, to which a higher one is shrunk; 0 to leave it as it is.
    """
    own_height, own_width = picture.shape[:2]
    if height and own_height > height:
        size = max(round(own_width * height / own_height), 1), height
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return bytes(cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY, *sampling])[1])
