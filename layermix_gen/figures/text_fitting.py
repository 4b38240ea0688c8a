"""Fit text to a width, by shortening it or breaking it into lines; the caller passes a function that measures text."""

import re
from collections.abc import Callable
from typing import TypeAlias

from layermix_gen.errors import printable

Measure: TypeAlias = Callable[[str], float]  # the width of a text

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def shortened(text: str, width: float, measure: Measure) -> str:
    """A text on one line, with an ellipsis at its end where it is wider than `width`."""
    text = printable(" ".join(text.split()))
    if measure(text) <= width:
        return text
    least, most = 0, len(text)  # characters that are kept, by bisection
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if measure(text[:middle] + ELLIPSIS) <= width else (least, middle - 1)
    return text[:least] + ELLIPSIS


def shortened_inside(text: str, width: float, measure: Measure) -> str:
    """A text with an ellipsis in its middle where it is wider than `width`, because names tend to differ at an end."""
    text = printable(text)
    if measure(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        tail = text[len(text) - kept // 2 :]
        shown = text[: kept - kept // 2].rstrip() + ELLIPSIS + tail.lstrip()
        if measure(shown) <= width:
            return shown
    return ELLIPSIS


def wrapped(text: str, width: float, measure: Measure) -> list[str]:
    """A recipe or a path on as many lines as it needs, broken where a name, a number or a word begins."""
    lines = [""]
    for word in re.findall(r"[^ (/]*[ (/]?", printable(" ".join(text.split()))):
        if lines[-1] and measure((lines[-1] + word).rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return [shortened(line, width, measure) for line in lines]


def in_two_lines(text: str, width: float, measure: Measure) -> list[str]:
    """A name on one or two lines of at most `width`, divided between words if possible, else shortened."""
    text = printable(text)
    if measure(text) <= width:
        return [text]
    pairs = [(text[: gap.end()].rstrip(), text[gap.end() :]) for gap in re.finditer(r"[\s_/-]+", text)]
    fitting = [pair for pair in pairs if max(map(measure, pair)) <= width]
    if fitting:
        return list(min(fitting, key=lambda pair: max(map(measure, pair))))
    text = shortened_inside(text, 1.9 * width, measure)
    cut = max(i for i in range(1, len(text)) if i == 1 or measure(text[:i]) <= width)
    return [text[:cut].rstrip(), shortened_inside(text[cut:].lstrip(), width, measure)]
