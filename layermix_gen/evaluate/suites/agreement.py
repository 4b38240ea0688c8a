"""Check that the parts of a suite agree with each other, and corrupted images with the clean ones."""

import numpy as np

from layermix_gen.evaluate.suites.base import Part
from layermix_gen.evaluate.suites.batching import as_size


def differs(part: Part, usual: Part, where: str) -> str:
    """How a part differs from the usual one of its suite, as far as is known before reading images; "" if it does not.

    The text is for people, with a remedy; it calls the part `where`.
    """
    other, remedy = f"in {where} as in the other parts, found", "get the part again"
    noun = "videos" if part.labels is None else "images"
    if part.total != usual.total:
        return f"expected {usual.total} {noun} {other} {part.total}; {remedy}"
    if part.size and usual.size and part.size != usual.size:
        return f"expected {noun} of {as_size(usual.size)} pixels {other} {as_size(part.size)}; {remedy}"
    if part.labels is not None and usual.labels is not None and not np.array_equal(part.labels, usual.labels):
        return f"expected the labels {other} others; {remedy}"
    return ""


def contradiction(corrupted: Part, clean: Part, in_order: bool) -> str:
    """Why, by its labels, a part cannot be the corrupted images of the clean one, with a remedy; "" where it can.

    A part of fewer or more images may come from a subset of the test set, if it has all classes. `in_order` says that
    the images of both come in the same order.
    """
    if corrupted.labels is None or clean.labels is None:
        return ""
    found, expected = corrupted.labels[0], clean.labels[0]
    if lacking := sorted(set(expected.tolist()) - set(found.tolist())):
        return (
            f"expected images of all classes of the clean suite, found none of class {lacking[0]}; get the suite again"
        )
    if len(found) != len(expected):
        return ""
    if not in_order:
        found, expected = np.sort(found), np.sort(expected)
    if np.array_equal(found, expected):
        return ""
    number = int(np.flatnonzero(found != expected)[0])
    if in_order:
        what = f"the labels of the clean images, found {found[number]} for {expected[number]} at image {number}"
    else:
        what = f"as many images of each class as in the clean suite, found others of class {expected[number]}"
    return f"expected {what}; get both of one test set"
