"""A copy of a mixing set in another folder, which jobs on several machines share: `SET.npy`, and how it was made.

Its `SET.json` has a checksum and leaves out how each picture was made, which follows from the rest.
"""

import shutil
from pathlib import Path

from layermix_gen.errors import LayerMixError
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set
from layermix_gen.mixing_sets.store import digest_of, read_about, recorded_digest
from layermix_gen.support.files import read_json, replacing, sealed, unsealed, write_json

COPIED = "copied from"  # in place of how a set was made that nothing describes


def keep_copy(mixing_set: MixingSet, path: Path) -> None:
    """Copy a set that has a file to `path` (`SET.npy`), with what its `SET.json` says; the array gets its name last.

    Times are kept, so that the digest in `SET.json` still tells whether the bytes have rotted.
    """
    if mixing_set.path in (None, path) or is_copy(path, mixing_set.digest):
        return
    about = read_about(mixing_set.path)
    if about.get("digest") != mixing_set.digest:  # it was never described, or is another by now
        describe_copy(path, mixing_set.digest, mixing_set.path.name)
    else:
        write_json(path.with_suffix(".json"), sealed({name: one for name, one in about.items() if name != "pictures"}))
    with replacing(path) as draft:
        shutil.copy2(mixing_set.path, draft)


def describe_copy(path: Path, digest: str, origin: str) -> None:
    """Write the `SET.json` of a copy at `path` of the file `origin`, of which only the digest is known."""
    write_json(path.with_suffix(".json"), sealed({"digest": digest, "made_by": {COPIED: origin}}))


def is_copy(path: Path, digest: str) -> bool:
    """Whether the set with this digest is at `path`, and described there."""
    try:
        return read_about(path).get("digest") == digest and open_mixing_set(path).digest == digest
    except LayerMixError:
        return False


def is_as_made(path: Path) -> bool:
    """Whether a set is at `path`, with the bytes that were written when it was made, as far as that is recorded."""
    made = read_about(path).get("digest")
    return path.exists() and (not made or recorded_digest(path) == made or is_copy(path, made))


def check_pictures(path: Path, digest: str) -> None:
    """Raise `LayerMixError` unless a copy at `path` has the digest, whatever its `SET.json` says."""
    if digest_of(open_mixing_set(path).pictures) != digest:
        raise LayerMixError("has other pictures than the plan says")


def check_about(path: Path, digest: str) -> None:
    """Raise `LayerMixError` unless the `SET.json` at `path` describes the set with this digest."""
    try:
        found = unsealed(read_json(path)).get("digest")
    except (ValueError, LayerMixError):
        found = None
    if found != digest:
        raise LayerMixError("does not describe the mixing set")
