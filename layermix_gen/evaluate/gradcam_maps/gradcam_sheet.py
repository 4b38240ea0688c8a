"""The Grad-CAM sheet: a row for each image, a column for each model, and what each model predicts."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image as PillowImage
from torch import nn

from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.benchmarks import RESIZE_AND_CENTER
from layermix_gen.evaluate.gradcam_maps.gradcam import Attention, gradcam
from layermix_gen.evaluate.models.weights import check_weights
from layermix_gen.evaluate.preprocessing import PREPROCESSINGS
from layermix_gen.evaluate.suites.batching import Images, rebatched
from layermix_gen.figures.canvas import Canvas, fitted, scaled, shortened
from layermix_gen.figures.file_formats import drawing_path
from layermix_gen.figures.palette import QUIET
from layermix_gen.images import Image
from layermix_gen.images.codec import decode
from layermix_gen.reading.device import as_device
from layermix_gen.support.checks import as_path, as_several, check_choice
from layermix_gen.support.files import cannot_read, reading

CELL = 224  # px; narrower images are enlarged to about this width, wider ones shown as they are
GAP, MARGIN, HEAD, FOOT = 14, 28, 30, 34  # px
TITLE, SMALL = 7.5, 6.5  # points
COLOURS = cv2.COLORMAP_VIRIDIS  # from violet to yellow: people who see fewer colours see the same map
LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "ł": "l"})  # without accents
LEAST, MOST = 0.1, 0.65  # how opaque the colours are where the map is 0 and where it is 1


def write_gradcam_sheet(
    models: Sequence[tuple[str, nn.Module]],
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    preprocessing: str = RESIZE_AND_CENTER,
    layer: str = "",
    target: int | None = None,
    device: str = "cpu",
) -> Path:
    """Draw Grad-CAM of images by one or several models, each with a title, to `out`; return `out`.

    Its suffix is .png, .jpg or .webp, or, with Matplotlib, .pdf or .svg.

    The models take pixels in [0, 1] and are moved to `device`. Raises `LayerMixError` for a device that is not there,
    for an image that cannot be read and a sheet that cannot be written, and as `gradcam` does.
    """
    place, out = as_device(device), drawing_path(out)
    models, paths = as_several("models", models), as_several("paths", paths)
    if not models or not paths:
        raise LayerMixError(f"expected at least one model and one image, got {len(models)} and {len(paths)}; give more")
    for pair in models:
        check_type("each of models", pair, tuple, 'give pairs, as in ("baseline", model)')
        if len(pair) != 2:
            raise LayerMixError(f"expected a title and a model in each of models, got {len(pair)} values; give both")
        check_type("title", pair[0], str, 'give pairs, as in ("baseline", model)')
        check_weights(pair[1])
    files = [as_path(path, "image") for path in paths]
    check_choice("preprocessing", preprocessing, PREPROCESSINGS)
    images = next(rebatched((_read(file, preprocessing)[None] for file in files), len(files)))
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float().div(255).to(place)
    seen = [gradcam(model.to(place), pixels, layer=layer, target=target) for _, model in models]
    return _draw(images, [file.stem for file in files], [title for title, _ in models], seen).write(out)


def _read(path: Path, preprocessing: str) -> Image:
    with reading(path, "check the path"):
        data = path.read_bytes()
    try:
        return PREPROCESSINGS[preprocessing](decode(data))
    except BadImage as error:
        raise cannot_read(path, str(error), "give another image") from error


def overlaid(image: Image, heat: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Image:
    """Overlay an image (H, W, 3) with the colours of a map (H, W) in [0, 1], more opaque where the map is higher."""
    levels = (heat * 255).round().astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, COLOURS), cv2.COLOR_BGR2RGB)
    alpha = (LEAST + (MOST - LEAST) * heat)[:, :, None]
    return (image * (1 - alpha) + colours * alpha).round().astype(np.uint8)


def _draw(images: Images, names: list[str], titles: list[str], seen: list[Attention]) -> Canvas:
    shown = [_enlarged(image) for image in images]
    height, width, _ = shown[0].shape
    rows, columns = len(images), 1 + len(seen)
    sheet = Canvas(2 * MARGIN + columns * (width + GAP) - GAP, 2 * MARGIN + HEAD + rows * (height + FOOT) - GAP)
    for column, name in enumerate(["image", *map(_plain, titles)]):
        left = MARGIN + column * (width + GAP)
        sheet.text((left, MARGIN + HEAD / 2), shortened(name, width, TITLE), TITLE, bold=True)
        for row, image in enumerate(shown):
            top = MARGIN + HEAD + row * (height + FOOT)
            cell = image if column == 0 else _shaded(image, seen[column - 1].maps[row])
            sheet.image(PillowImage.fromarray(cell), left, top)
            caption = _plain(names[row]) if column == 0 else _said(seen[column - 1], row)
            sheet.text((left, top + height + FOOT * 0.6), shortened(caption, width, SMALL), SMALL, QUIET)
    return sheet


def _enlarged(image: Image) -> Image:
    height, width, _ = image.shape
    factor = max(width, fitted(width, CELL)) / width
    return np.asarray(scaled(image, round(factor * max(height, width))))


def _shaded(shown: Image, heat: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Image:
    """The overlay at the size that is shown: the map is smooth, also over an image of large pixels."""
    height, width, _ = shown.shape
    return overlaid(shown, np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1))


def _said(attention: Attention, row: int) -> str:
    return f"class {attention.classes[row]} · {attention.probabilities[row]:.0%}"


def _plain(text: str) -> str:
    """A text in the letters of the font, which has no accents: `u` for `ü`, and `?` for what has no such letter."""
    letters = unicodedata.normalize("NFKD", text.translate(LETTERS))
    return "".join(one if one.isascii() else "?" for one in letters if not unicodedata.combining(one))
