"""Decode stored images into the rows of a batch, without an array or a copy in between if the format allows it.

A decoder is made for a part of a batch, takes the bytes of one image after the other and is finished once. JPEG is
decoded directly into its row. PNGs that this package wrote take a quarter of Pillow's time at 32 px. All other files go
through `codec.decode`.
"""

from typing import ClassVar, Protocol

import numpy as np
import simplejpeg

from layermix_gen.errors import BadImage
from layermix_gen.images import Image, codec, png
from layermix_gen.images.jpeg import header_of_one_scan
from layermix_gen.kernels.png_rows import filtered, unfilter


class Decoder(Protocol):
    """A decoder of images into the rows of a uint8 array (images, H, W, 3). `put` raises `BadImage`."""

    rows: Image

    def __init__(self, rows: Image) -> None: ...
    def put(self, row: int, data: bytes | memoryview) -> None: ...
    def finish(self) -> None: ...


class AnyDecoder:
    """A decoder for every format that `codec.decode` reads."""

    def __init__(self, rows: Image) -> None:
        self.rows = rows

    def put(self, row: int, data: bytes | memoryview) -> None:
        self.rows[row] = _decoded(data, self.rows)

    def finish(self) -> None:
        """Nothing to do: `put` has decoded everything."""


class JpegDecoder(AnyDecoder):
    """A decoder for JPEG by libjpeg-turbo, which does not hold the interpreter's lock."""

    header: ClassVar[bytes] = b""  # of an image whose scans were counted: all of a build have the same

    def put(self, row: int, data: bytes | memoryview) -> None:
        header = self.header  # other threads change it
        if not header or bytes(data[: len(header)]) != header:  # a view compares byte by byte
            JpegDecoder.header = header_of_one_scan(data)
        try:
            _checked(simplejpeg.decode_jpeg(data, "RGB", buffer=self.rows[row]), self.rows)
        except ValueError as error:
            raise BadImage(f"truncated or corrupt: {error}") from error


class PngDecoder(AnyDecoder):
    """A decoder for PNG as `images.png` writes it: inflated one by one, then unfiltered for all images at once."""

    def __init__(self, rows: Image) -> None:
        super().__init__(rows)
        height, width = rows.shape[1:3]
        self.filtered = [bytes(height * (1 + 3 * width))] * len(rows)  # a row that no image is put in becomes black

    def put(self, row: int, data: bytes | memoryview) -> None:
        height, width = self.rows.shape[1:3]
        own = png.filtered_in(data, height, width)
        self.filtered[row] = own or filtered(_decoded(data, self.rows)).tobytes()

    def finish(self) -> None:
        count, height, width, _ = self.rows.shape
        rows = np.frombuffer(b"".join(self.filtered), np.uint8).reshape(count, height, 1 + 3 * width)
        unfilter(rows, self.rows)


def _decoded(data: bytes | memoryview, rows: Image) -> Image:
    height, width = rows.shape[1:3]
    return _checked(codec.decode(data, max_pixels=height * width), rows)  # no larger image is ever decoded


def _checked(pixels: Image, rows: Image) -> Image:
    if pixels.shape != rows.shape[1:]:
        raise BadImage(f"expected an image of shape {rows.shape[1:]}, found {pixels.shape}")
    return pixels


DECODERS: dict[str, type[Decoder]] = {"jpg": JpegDecoder, "png": PngDecoder, "webp": AnyDecoder}
