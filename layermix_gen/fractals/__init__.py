"""Mixing pictures made by ourselves: fractals of several kinds, drawn from a seed, rendered without randomness."""

from layermix_gen.fractals.kinds import KINDS
from layermix_gen.fractals.render import VERSION, Fractal, make_fractal, render_fractal, render_set

__all__ = ["KINDS", "VERSION", "Fractal", "make_fractal", "render_fractal", "render_set"]
