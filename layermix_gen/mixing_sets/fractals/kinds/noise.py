"""Domain-warped noise: fractional Brownian motion whose coordinates are themselves displaced by such noise.

The noise is made in the frequency domain (Saupe, "Algorithms for random fractals", in The Science of Fractal Images,
1988); ridges and turbulence after Musgrave (Texturing and Modeling, 1994); the warp f(p + a g(p + b h(p))) after
Quilez, "Domain warping" (2002). All of it is periodic, so the frame has no edge.
"""

from typing import Any

import cv2
import numpy as np

from layermix_gen.mixing_sets.fractals.kinds.base import Floats

STYLES = ("plain", "ridged", "billow", "marble", "terraced")


def draw(rng: np.random.Generator, styles: tuple[str, ...] = STYLES) -> dict[str, Any]:
    """Draw the field's style, the exponent of its power spectrum, and the distances of its two warps, in frames."""
    return {
        "style": styles[int(rng.integers(len(styles)))],
        "slope": round(float(rng.uniform(3.2, 4.2)), 3),
        "lowest": int(rng.integers(1, 4)),
        "warp": round(float(rng.uniform(0.02, 0.2)), 3),
        "rewarp": round(float(rng.uniform(0.0, 0.1)), 3),
        "stretch": round(float(rng.uniform(-1, 1)), 3),
        "seed": int(rng.integers(1 << 32)),
    }


def render(
    size: int, style: str, slope: float, lowest: int, warp: float, rewarp: float, stretch: float, seed: int
) -> Floats:
    """The field, float32 (S, S)."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    field = _styled(brownian(rng, size, slope, lowest, stretch), style)
    inner = [brownian(rng, size // 4, 4.4, 1, 0.0) for _ in range(4)]  # smooth, so a quarter of the size will do
    paths = [_displaced(path, inner[2], inner[3], rewarp) for path in inner[:2]]
    dx, dy = (cv2.resize(path, (size, size), interpolation=cv2.INTER_CUBIC) for path in paths)
    return _displaced(field, dx, dy, warp)


def brownian(rng: np.random.Generator, size: int, slope: float, lowest: int, stretch: float) -> Floats:
    """Periodic noise of unit variance whose power falls as frequency^-slope from `lowest` cycles per frame up.

    `stretch` makes the grain e^stretch times longer along one axis and shorter along the other.
    """
    fy, fx = np.fft.fftfreq(size, 1 / size)[:, None], np.fft.rfftfreq(size, 1 / size)[None]
    frequency = np.hypot(fy * np.exp(stretch), fx * np.exp(-stretch))
    white = rng.standard_normal((2, *frequency.shape), dtype=np.float32)
    gain = np.where(frequency >= lowest, np.maximum(frequency, 1) ** (-slope / 2), 0).astype(np.float32)
    field = np.fft.irfft2((white[0] + 1j * white[1]) * gain, s=(size, size)).astype(np.float32)
    return field / np.maximum(field.std(), np.float32(1e-12))


def _styled(field: Floats, style: str) -> Floats:
    if style == "ridged":
        return -np.abs(field)
    if style == "billow":
        return np.abs(field)
    if style == "marble":
        return np.sin(field * np.float32(4))
    if style == "terraced":
        return np.float32(0.6) * np.sin(field * np.float32(9)) + field
    return field


def _displaced(field: Floats, dx: Floats, dy: Floats, amount: float) -> Floats:
    """The field (S, S), read at a distance of `amount` frames times (dx, dy), wrapping around the edges."""
    size = field.shape[0]
    y, x = np.mgrid[:size, :size].astype(np.float32)
    reach = np.float32(amount * size)
    x, y = (x + reach * dx) % np.float32(size), (y + reach * dy) % np.float32(size)
    return cv2.remap(np.pad(field, ((0, 1), (0, 1)), mode="wrap"), x, y, cv2.INTER_LINEAR)
