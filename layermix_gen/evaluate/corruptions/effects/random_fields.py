"""Random fields (H, W): plasma, noise of a given spectrum, and Perlin's gradient noise."""

import numpy as np
import numpy.typing as npt

from layermix_gen.evaluate.corruptions.effects.base import Floats


def plasma(rng: np.random.Generator, shape: tuple[int, ...], decay: float) -> Floats:
    """A plasma fractal in [0, 1], cut from a square whose side is the smallest power of two that holds `shape`.

    The diamond-square algorithm (Fournier, Fussell and Carpenter, "Computer rendering of stochastic models", 1982) on a
    torus. Displacements are uniform in ±100², and `decay`² times smaller after each halving of the step.
    """
    size = 1 << (max(*shape[:2], 2) - 1).bit_length()
    field = np.zeros((size, size))
    step, reach = size, 100.0

    def displaced(total: Floats) -> Floats:
        return total / 4 + reach * rng.uniform(-reach, reach, total.shape)

    while step > 1:
        half = step // 2
        corners = field[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        centres = field[half::step, half::step]
        centres[...] = displaced(pairs + np.roll(pairs, -1, axis=1))
        # The middles of the squares' upper sides, then of their left sides.
        across, along = np.roll(corners, -1, axis=1), np.roll(corners, -1, axis=0)
        field[::step, half::step] = displaced(centres + np.roll(centres, 1, axis=0) + corners + across)
        field[half::step, ::step] = displaced(centres + np.roll(centres, 1, axis=1) + corners + along)
        step, reach = half, reach / decay
    field -= field.min()
    return (field / field.max())[: shape[0], : shape[1]]


def spectral(rng: np.random.Generator, amplitudes: Floats) -> Floats:
    """Noise of unit deviation, given the amplitude of each frequency (H, W), lowest first as in `np.fft`.

    As published, phases are uniform, and each is used at two places that mirror each other in the middle of the shifted
    spectrum; for even sides these are not opposite frequencies. The real part of the complex result is taken.
    """
    count = amplitudes.size
    half = rng.uniform(0, 2 * np.pi, (count + 1) // 2)
    phases = np.fft.ifftshift(np.concatenate([half, half[: count // 2][::-1]]).reshape(amplitudes.shape))
    field = np.fft.ifft2(amplitudes * np.exp(1j * phases)).real
    return field / max(float(field.std()), 1e-12)


def frequencies(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """The length of each frequency's vector (H, W), in cycles along the short side, lowest first."""
    down, right = (np.fft.fftfreq(length) * min(shape[:2]) for length in shape[:2])
    return np.hypot(down[:, None], right[None])


def turbulence(rng: np.random.Generator, shape: tuple[int, ...], cell: float, octaves: int) -> Floats:
    """Perlin's turbulence: the sum of |noise(2^i p)| / 2^i over octaves i, the first with cells of `cell` px.

    Perlin, "An image synthesizer" (1985). All octaves share one lattice of gradients, so that all are 0 at the origin.
    """
    finest = 1 << (octaves - 1)
    rows, columns = (int((length - 1) / cell * finest) + 2 for length in shape[:2])
    gradients = rng.uniform(-1, 1, (rows, columns, 2))
    gradients /= np.maximum(np.linalg.norm(gradients, axis=2, keepdims=True), 1e-12)
    total = np.zeros(shape[:2])
    for octave in range(octaves):
        y, x = (np.arange(length) / cell * 2**octave for length in shape[:2])
        total += np.abs(_gradient_noise(gradients, y, x)) / 2**octave
    return total


def _gradient_noise(gradients: Floats, y: Floats, x: Floats) -> Floats:
    """Gradient noise (H, W), within about ±1, at rows `y` (H,) and columns `x` (W,) of a lattice (R, C, 2)."""
    top, left = y.astype(int), x.astype(int)
    down, right = (y - top)[:, None], (x - left)[None]

    def slope(i: int, j: int) -> Floats:
        corner = gradients[(top + i)[:, None], (left + j)[None]]
        return corner[..., 0] * (down - i) + corner[..., 1] * (right - j)

    fade_down, fade_right = down**2 * (3 - 2 * down), right**2 * (3 - 2 * right)
    upper = slope(0, 0) + fade_right * (slope(0, 1) - slope(0, 0))
    lower = slope(1, 0) + fade_right * (slope(1, 1) - slope(1, 0))
    return 1.5 * (upper + fade_down * (lower - upper))
