"""Domain-warped noise: fractional Brownian motion whose coordinates are themselves displaced by such noise.

The noise is made in the frequency domain (Saupe, "Algorithms for random fractals", in The Science of Fractal Images,
1988); ridges and turbulence after Musgrave (Texturing and Modeling, 1994); the warp f(p + a g(p + b h(p))) after Quilez,
"Domain warping" (2002). All of it is periodic, so the frame has no edge.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

STYLES = ("plain", "ridged", "billow", "marble", "terraced")


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the field's exponent of the power spectrum, its style, and how far it is warped, twice, in frames."""
    return {
        "style": STYLES[int(rng.integers(len(STYLES)))],
        "slope": round(float(rng.uniform(2.0, 3.4)), 3),
        "lowest": int(rng.integers(1, 5)),
        "warp": round(float(rng.uniform(0.02, 0.25)), 3),
        "rewarp": round(float(rng.uniform(0.0, 0.2)), 3),
        "stretch": round(float(rng.uniform(-1, 1)), 3),
        "seed": int(rng.integers(1 << 32)),
    }


def render(
    size: int, style: str, slope: float, lowest: int, warp: float, rewarp: float, stretch: float, seed: int
) -> Floats:
    """The field, float32 (S, S)."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    field = _styled(brownian(rng, size, slope, lowest, stretch), style)
    inner = [brownian(rng, size, 3.6, 1, 0.0) for _ in range(4)]
    first = _displaced(np.stack(inner[:2]), inner[2], inner[3], rewarp)
    return _displaced(field[None], first[0], first[1], warp)[0]


def brownian(rng: np.random.Generator, size: int, slope: float, lowest: int, stretch: float) -> Floats:
    """Periodic noise of unit variance whose power falls as frequency^-slope from `lowest` cycles per frame up.

    `stretch` makes the grain e^stretch times longer one way and shorter the other.
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


def _displaced(fields: Floats, dx: Floats, dy: Floats, amount: float) -> Floats:
    """The fields (K, S, S), each read `amount` frames times (dx, dy) away, around the edges."""
    size = fields.shape[-1]
    y, x = np.mgrid[:size, :size].astype(np.float32)
    reach = np.float32(amount * size)
    x, y = (x + reach * dx) % np.float32(size), (y + reach * dy) % np.float32(size)
    padded = [np.pad(field, ((0, 1), (0, 1)), mode="wrap") for field in fields]
    return np.stack([cv2.remap(field, x, y, cv2.INTER_LINEAR) for field in padded]).astype(np.float32)
