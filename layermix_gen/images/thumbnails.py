"""Small copies of images for notebooks: a few kilobytes each, as an element of HTML."""

import cv2

from layermix_gen.images import Image
from layermix_gen.images.codec import Encoding, encode
from layermix_gen.support.notebooks import panels

SIDE = 96  # px on the page: the longer side
MOST = 2 * SIDE  # pixels of the longer side, for screens of twice the usual density
LOSSY = Encoding("webp", 80)
LOSSLESS = Encoding("png")


def thumbnail(pixels: Image, title: str = "") -> str:
    """An image (H, W, 3) as an element of HTML, reduced if it is large; its `title` shows on hover."""
    shrinking = MOST / max(pixels.shape)
    if shrinking < 1:
        pixels = cv2.resize(pixels, None, fx=shrinking, fy=shrinking, interpolation=cv2.INTER_AREA)
    height, width, _ = pixels.shape
    scale = SIDE / max(height, width)
    encoding = LOSSLESS if scale >= 1 else LOSSY
    size = (round(width * scale), round(height * scale))
    return panels.picture(encode(pixels, encoding), encoding.format, size, title, squares=scale >= 1)
