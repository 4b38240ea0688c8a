"""Sequences in which the picture moves: shifted, turned, tilted, scaled, sheared, or enlarged and averaged.

What comes in from outside of the image is black. As in the original, pictures turn and grow about the point half a
pixel right of and below the middle, and Pillow and OpenCV interpolate.
"""

import cv2
import numpy as np
from PIL import Image as PillowImage

from layermix_gen.evaluate.corruptions.effects.base import pixels
from layermix_gen.evaluate.corruptions.perturbations.base import Perturbation
from layermix_gen.evaluate.video_files import Frames
from layermix_gen.images import Image


def translate(image: Image, rng: np.random.Generator, frames: int, first: int) -> Frames:
    """Shift to the right by `first` px, which may be negative, and one more from frame to frame."""
    width, reach = image.shape[1], max(abs(first), abs(first + frames - 1))
    wide = np.pad(image, ((0, 0), (reach, reach), (0, 0)))
    return np.stack([wide[:, reach - shift : reach - shift + width] for shift in range(first, first + frames)])


def rotate(image: Image, rng: np.random.Generator, frames: int, degrees: float) -> Frames:
    """Turn clockwise by `degrees` more from frame to frame; the picture is upright in the middle of the sequence."""
    return np.stack([_warped(image, turned=degrees * (number - frames // 2)) for number in range(frames)])


def shear(image: Image, rng: np.random.Generator, frames: int, degrees: float) -> Frames:
    """Slant by `degrees` more from frame to frame; the picture is upright in the middle of the sequence."""
    return np.stack([_warped(image, slanted=degrees * (number - frames // 2)) for number in range(frames)])


def scale(image: Image, rng: np.random.Generator, frames: int, first: float, step: float) -> Frames:
    """Scale about the middle to `first` percent, and by `step` percent more from frame to frame."""
    return np.stack([_warped(image, scaled=(first + step * number) / 100) for number in range(frames)])


def zoom_blur(image: Image, rng: np.random.Generator, frames: int, step: float) -> Frames:
    """The image, then the mean of it and of ever more enlargements, each by `step` more than the one before."""
    made, total = [image], image / np.float32(255)
    for number in range(1, frames):
        total += _warped(image, scaled=1 + step * number) / np.float32(255)
        made.append(pixels(total / (number + 1)))
    return np.stack(made)


def tilt(image: Image, rng: np.random.Generator, frames: int, degrees: float) -> Frames:
    """Tilt about both axes by `degrees` more from frame to frame, flat in the middle, as seen from a diagonal away."""
    height, width = image.shape[:2]
    angles = np.deg2rad(degrees * (np.arange(frames) - frames // 2))
    return np.stack([cv2.warpPerspective(image, _tilted(width, height, a), (width, height)) for a in angles.tolist()])


def _tilted(width: int, height: int, angle: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The map (3, 3) of a picture that is turned by `angle` about its vertical and then its horizontal middle line."""
    distance = np.hypot(width, height)
    sine, cosine = np.sin(angle), np.cos(angle)
    flat = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])  # the third row is a plane of depth 1
    about_vertical = np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    about_horizontal = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    placed = about_horizontal @ about_vertical @ flat
    placed[2, 2] += distance
    seen = np.array([[distance, 0, width / 2], [0, distance, height / 2], [0, 0, 1]])
    return np.asarray(seen @ placed)


def _warped(image: Image, turned: float = 0, scaled: float = 1, slanted: float = 0) -> Image:
    """The image turned clockwise and slanted, in degrees, and scaled, bilinear."""
    angle, slope = np.deg2rad([turned, turned + slanted])
    forth = scaled * np.array([[np.cos(angle), -np.sin(slope)], [np.sin(angle), np.cos(slope)]])
    back = np.linalg.inv(forth)
    centre = np.array(image.shape[1::-1]) / 2 + 0.5
    matrix = np.column_stack([back, centre - back @ centre]).ravel().tolist()
    picture = PillowImage.fromarray(image)
    affine, bilinear = PillowImage.Transform.AFFINE, PillowImage.Resampling.BILINEAR
    return np.asarray(picture.transform(picture.size, affine, matrix, bilinear))


ROWS = (
    Perturbation("zoom_blur", zoom_blur, cifar=(31, 0.004), imagenet=(31, 0.004), is_motion=True),
    Perturbation("translate", translate, cifar=(16, -7), imagenet=(41, -20), is_motion=True),
    Perturbation("rotate", rotate, cifar=(31, 1), imagenet=(31, 1), is_motion=True),
    Perturbation("tilt", tilt, cifar=(31, 0.75), imagenet=(31, 1), is_motion=True),
    Perturbation("scale", scale, cifar=(31, 70, 2), imagenet=(31, 40, 2.5), is_motion=True),
    Perturbation("shear", shear, cifar=(31, 1), imagenet=(31, 1), is_motion=True),
)
