"""Mutated image files of every format: each gives an image or `BadImage`, alike twice, in bounded memory and time.

They are decoded in child processes: a decoder that crashes, hangs or takes too much memory ends its child, which is
counted, and the next child goes on behind the file that did it. `python -m tests.faults.mutated_images SEED FIRST LAST`
is such a child.
"""

import json
import random
import re
import resource
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from layermix_gen.errors import BadImage
from layermix_gen.images import as_image
from layermix_gen.images.codec import MAX_MEMORY, MAX_PIXELS, decode
from tests.faults.tally import Tally
from tests.images.test_codec import SAMPLES

BATCH = 2000  # files to a child
LONGEST = 1 << 20  # bytes of a part that is repeated
SECONDS = 20  # to decode one file
SPARE = 1 << 28  # bytes beyond the bound: what libraries hold, and copies of the file
PIXELS = 1_000_000  # the bound for most files; the default is tried now and then
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x2710, 0x7FFF, 0xFFFF, 0x10000, 0x98967F, 0x7FFFFFFF, 0xFFFFFFFF)
PNG = b"\x89PNG\r\n\x1a\n"

# --- mutations -----------------------------------------------------------------------------------------------------


def flipped(data: bytes, rng: random.Random) -> bytes:
    """Some bytes with another bit, or with other bits: half of them in the header."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(min(len(data), 200) if rng.random() < 0.5 else len(data))
        changed[at] ^= rng.choice((1 << rng.randrange(8), rng.randrange(1, 256)))
    return bytes(changed)


def cut_off(data: bytes, rng: random.Random) -> bytes:
    """The beginning of a file."""
    return data[: rng.randrange(len(data))]


def spliced(data: bytes, rng: random.Random) -> bytes:
    """The beginning of a file and the end of another, mostly of another format; they may overlap or leave a gap."""
    other = rng.choice(list(SAMPLES.values()))
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def extreme(data: bytes, rng: random.Random) -> bytes:
    """Fields of the header at extremes, of any width and either byte order."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        width = rng.choice((1, 2, 4))
        at = rng.randrange(max(1, min(len(data) - width, 250)))
        value = rng.choice(EXTREMES) % 256**width
        changed[at : at + width] = value.to_bytes(width, rng.choice(("big", "little")))
    return bytes(changed)


def reordered(data: bytes, rng: random.Random) -> bytes:
    """Parts of a file (segments, chunks, boxes) twice, left out, exchanged or many times."""
    cuts = [0, *boundaries(data), len(data)]
    parts = [data[a:b] for a, b in pairwise(cuts)]
    a, b = rng.randrange(len(parts)), rng.randrange(len(parts))
    match rng.randrange(4):
        case 0:
            parts.insert(b, parts[a])
        case 1:
            del parts[a]
        case 2:
            parts[a], parts[b] = parts[b], parts[a]
        case _:
            parts[a] = (parts[a] * rng.choice((2, 40, 1000)))[:LONGEST]
    return b"".join(parts)


def boundaries(data: bytes) -> list[int]:
    """Where the parts of a file begin: at markers of a JPEG or JPEG 2000, and at four-letter names elsewhere."""
    if data[:1] == b"\xff":
        return [match.start() for match in re.finditer(rb"\xff[\x4f-\x93\xc0-\xfe]", data)][1:]
    names = re.finditer(rb"[A-Z][A-Z0-9]{2}[A-Z0-9 ]|[a-z][a-zA-Z]{2}[a-zA-Z ]", data[:4000])
    before = 4 if data.startswith((PNG, b"\0\0\0")) else 0  # the length stands before the name there
    return sorted({match.start() - before for match in names if match.start() > before}) or [len(data) // 2]


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what they hold now: without them its decoder would look no further."""
    at, parts = len(PNG), [PNG]
    while at + 8 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        parts += [data[at:end], zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")]
        at = end + 4
    return b"".join(parts)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (flipped, cut_off, spliced, extreme, reordered)


def mutated(seed: int, number: int) -> tuple[str, bytes, int]:
    """The file of a round: the kind of harm, its bytes, and the bound on pixels to decode it with."""
    rng = random.Random(f"{seed} {number}")  # noqa: S311
    mutation = rng.choice(MUTATIONS)
    data = mutation(rng.choice(list(SAMPLES.values())), rng)
    if rng.random() < 0.2:
        data = rng.choice(MUTATIONS)(data or b"\0", rng)
    if data.startswith(PNG) and rng.random() < 0.7:
        data = with_checksums(data)
    return mutation.__name__, data, MAX_PIXELS if rng.random() < 0.02 else PIXELS


# --- the child -----------------------------------------------------------------------------------------------------


def outcome(data: bytes, max_pixels: int) -> str:
    """What a file gives: the shape and checksum of an image, or the reason why it gives none."""
    try:
        pixels = decode(data, max_pixels)
    except BadImage as fault:
        return f"BadImage: {fault}"
    return f"{as_image(pixels).shape} {zlib.crc32(as_image(pixels).tobytes())}"


def fault_of(data: bytes, max_pixels: int) -> str | None:
    """What is wrong with how a file is decoded, in a line; None where nothing is."""
    try:
        found = outcome(data, max_pixels)
        again = outcome(data, max_pixels)
    except BaseException as error:
        return f"raises {type(error).__name__}: {error}"
    if found != again:
        return f"gives {found}, then {again}"
    return f"has several lines: {found!r}" if len(found.splitlines()) != 1 else None


def decode_all(seed: int, first: int, last: int) -> None:
    """Decode the files of some rounds; before each, its number and kind are written, and behind it what was wrong."""
    size = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MAX_MEMORY + SPARE,) * 2)
    for number in range(first, last):
        kind, data, max_pixels = mutated(seed, number)
        print(json.dumps([number, kind]), flush=True)
        signal.alarm(SECONDS)  # ends the process
        fault = fault_of(data, max_pixels)
        signal.alarm(0)
        print(json.dumps(fault), flush=True)


# --- the harness ---------------------------------------------------------------------------------------------------


def harness(rounds: int, seed: int, folder: Path) -> Tally:
    """Decode so many mutated files, each twice."""
    tally = Tally()
    first = 0
    while first < rounds:
        command = [sys.executable, "-m", "tests.faults.mutated_images", str(seed), str(first)]
        command.append(str(min(first + BATCH, rounds)))
        child = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        lines = [json.loads(line) for line in child.stdout.splitlines()]
        if not lines:
            raise RuntimeError(f"the child did not begin: {' '.join(command)}")
        if len(lines) % 2:
            lines.append(f"ends the process: exit code {child.returncode}")
        for (number, kind), fault in zip(lines[::2], lines[1::2], strict=True):
            tally.record(kind, fault and f"file {number} of seed {seed} {fault}")
            first = number + 1
    return tally


if __name__ == "__main__":
    decode_all(*map(int, sys.argv[1:]))
