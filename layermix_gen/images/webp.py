"""Read the size of a WebP file from its header (RFC 9649, section 2), before a decoder allocates its canvas."""

from layermix_gen.errors import BadImage

_CHUNK = 20  # where the content of the first chunk begins: it is lossy (VP8), lossless (VP8L) or extended (VP8X)
_BITS = 14  # of a side, but 24 in an extended file


def canvas_size(data: bytes | memoryview) -> tuple[int, int]:
    """The width and height of the canvas of a WebP file in pixels. Raises `BadImage` where the header has none."""
    kind, content = bytes(data[12:16]), bytes(data[_CHUNK : _CHUNK + 10])
    if len(content) == 10:
        match kind:
            case b"VP8X":
                return 1 + _little(content[4:7]), 1 + _little(content[7:10])
            case b"VP8L":
                sides = _little(content[1:5])
                return 1 + _low(sides), 1 + _low(sides >> _BITS)
            case b"VP8 ":
                return _low(_little(content[6:8])), _low(_little(content[8:10]))  # the bits above are a scale
    raise BadImage("truncated or corrupt: a WebP without a size")


def _little(content: bytes) -> int:
    return int.from_bytes(content, "little")


def _low(number: int) -> int:
    return number & ((1 << _BITS) - 1)
