"""Weather: fog, frost, snow, and spatter of water or mud."""

import cv2
import numpy as np

from layermix_gen.evaluate.corruptions.effects.base import Closeness, Corruption, Floats, pixels, unit
from layermix_gen.evaluate.corruptions.effects.filters import gaussian, motion, zoomed
from layermix_gen.evaluate.corruptions.effects.frost import frost_view
from layermix_gen.evaluate.corruptions.effects.random_fields import plasma
from layermix_gen.images import Image

WATER = np.array([175, 238, 238]) / 255  # pale turquoise
MUD = np.array([63, 42, 20]) / 255


def fog(image: Image, rng: np.random.Generator, density: float, decay: float) -> Image:
    """Add a plasma fractal of up to `density`, and scale so that no value exceeds the brightest one before."""
    x = unit(image)
    brightest = x.max()
    return pixels((x + density * plasma(rng, image.shape, decay)[..., None]) * brightest / (brightest + density))


def frost(image: Image, rng: np.random.Generator, share: float, share_of_frost: float, scale: float) -> Image:
    """Add a crop of one of five pictures of frost, scaled by `scale`."""
    overlay = frost_view(rng, image.shape[:2], scale)
    return np.clip(share * image + share_of_frost * overlay, 0, 255).astype(np.uint8)


def snow(
    image: Image,
    rng: np.random.Generator,
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    radius: int,
    blur: float,
    share: float,
) -> Image:
    """Whiten the image by 1 - `share`, and add flakes that fall at 45 to 135 degrees."""
    flakes = snowflakes(rng, image.shape[:2], mean, deviation, zoom, threshold)
    return snowed(whitened(image, share), flakes, radius, blur, rng.uniform(-135, -45))


def snowflakes(
    rng: np.random.Generator, shape: tuple[int, ...], mean: float, deviation: float, zoom: float, threshold: float
) -> Image:
    """Draw flakes (H, W): Gaussian noise, enlarged by `zoom`, where it exceeds a threshold."""
    noise = zoomed(rng.normal(mean, deviation, shape).astype(np.float32), zoom)
    noise[noise < threshold] = 0
    return pixels(noise)


def whitened(image: Image, share: float) -> Floats:
    """Values (H, W, 3) of the image, of which 1 - `share` is replaced by a paler image."""
    x = unit(image).astype(np.float32)
    gray = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., None]
    return share * x + (1 - share) * np.maximum(x, gray * 1.5 + 0.5)


def snowed(x: Floats, flakes: Image, radius: int, blur: float, degrees: float) -> Image:
    """Add flakes that fall at `degrees`, motion-blurred, and the same flakes turned by 180 degrees."""
    fallen = unit(motion(flakes.astype(np.float32), radius, blur, degrees).astype(np.uint8))[..., None]
    return pixels(x + fallen + fallen[::-1, ::-1])


def spatter(
    image: Image,
    rng: np.random.Generator,
    mean: float,
    deviation: float,
    smoothness: float,
    threshold: float,
    strength: float,
    is_mud: int,
) -> Image:
    """Add drops of water, or cover with mud, where smoothed Gaussian noise exceeds a threshold."""
    liquid = gaussian(rng.normal(mean, deviation, image.shape[:2]), smoothness)
    liquid[liquid < threshold] = 0
    x = unit(image).astype(np.float32)
    if is_mud:
        cover = gaussian((liquid > threshold).astype(np.float32), strength)
        cover[cover < 0.8] = 0
        return pixels(x * (1 - cover[..., None]) + cover[..., None] * MUD)
    return pixels(x + strength * relief(pixels(liquid))[..., None] * WATER)


def relief(liquid: Image) -> Floats:
    """Drops (H, W) in [0, 1], lit from the side: the relief of the distance to their rims, times their thickness."""
    distance = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    near = cv2.equalizeHist(cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8))
    lit = cv2.filter2D(near, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    drops = liquid * cv2.blur(lit, (3, 3)).astype(np.float32)
    return drops / max(float(drops.max()), 1.0)


ROWS = (
    Corruption(
        "snow",
        snow,
        cifar=(
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        imagenet=(
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "frost",
        frost,
        cifar=((1, 0.2, 0.2), (1, 0.3, 0.2), (0.9, 0.4, 0.2), (0.85, 0.4, 0.2), (0.75, 0.45, 0.2)),
        imagenet=((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
        closeness=Closeness.APPROXIMATE,
    ),
    Corruption(
        "fog",
        fog,
        cifar=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        imagenet=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        closeness=Closeness.EXACT,
    ),
    Corruption(
        "spatter",
        spatter,
        cifar=(
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        imagenet=(
            (0.65, 0.3, 4, 0.69, 0.6, 0),
            (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
        closeness=Closeness.EXACT,
    ),
)
