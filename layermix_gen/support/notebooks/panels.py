"""HTML for notebooks: facts, tables and images, each in one element that needs no file and suits dark pages.

Colours are the page's own. All text is escaped: names of classes and files come from the user's data.
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from html import escape

from layermix_gen.errors import LayerMixError, printable


def panel(title: str, *parts: str) -> str:
    """An element with a title and parts, which are HTML already."""
    head = f"<div style='font-weight:600;margin-bottom:.3em'>{safe(title)}</div>"
    return f"<div style='margin:.3em 0'>{head}{''.join(parts)}</div>"


def lines(text: str) -> str:
    """Text as it would be printed: facts in two columns, or a table."""
    made = safe(text)
    return f"<pre style='margin:0;padding:0;background:none;color:inherit;overflow-x:auto'>{made}</pre>"


def described(title: str, describe: Callable[[], str], show: Callable[[], Iterable[str]] = tuple) -> str:
    """A panel with the text of `describe` and the parts of `show`, or the message of a `LayerMixError` that they raise.

    For what has to be read first: a notebook would show a traceback.
    """
    parts = []
    try:
        parts += [lines(describe())]
        parts += show()
    except LayerMixError as error:
        parts += [lines(str(error))]
    return panel(title, *parts)


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]], bold: Sequence[Sequence[bool]], left: int) -> str:
    """A table whose first `left` columns are text and whose others are numbers; `bold` marks cells of `rows`."""

    def cell(tag: str, text: str, column: int, *, is_bold: bool = False) -> str:
        style = f"text-align:{'left' if column < left else 'right'};padding:.1em .6em;border:0"
        return f"<{tag} style='{style}'>{f'<b>{safe(text)}</b>' if is_bold else safe(text)}</{tag}>"

    head = "".join(cell("th", text, column) for column, text in enumerate(heads))
    body = "".join(
        f"<tr>{''.join(cell('td', text, i, is_bold=marks[i]) for i, text in enumerate(row))}</tr>"
        for row, marks in zip(rows, bold, strict=True)
    )
    return f"<table style='border-collapse:collapse;margin:.3em 0'><thead><tr>{head}</tr></thead>{body}</table>"


def picture(data: bytes, form: str, size: tuple[int, int], title: str = "", *, squares: bool = False) -> str:
    """An encoded image, shown `size` px wide and high, perhaps with its pixels as squares; `form` as in `image/png`.

    The title appears on hover.
    """
    source = f"data:image/{form};base64,{base64.b64encode(data).decode('ascii')}"
    style = "display:inline-block;margin:.3em .3em 0 0" + ";image-rendering:pixelated" * squares
    place = f"width='{size[0]}' height='{size[1]}' style='{style}'"
    return f"<img src='{source}' title='{safe(title)}' alt='{safe(title)}' {place}/>"


def safe(text: str) -> str:
    """Text as HTML; all but line breaks is made printable."""
    return "\n".join(escape(printable(line)) for line in text.split("\n"))
