"""Noise that is a pure function of place and seed: any window shows the same ground, whatever was drawn before it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


def hash_unit(ix: Integers, iy: Integers, key: int) -> Reals:
    """Return a number in [0, 1) for each lattice cell, the same for the same cell and key everywhere.

    The mixing is Wellons' low-bias 32-bit integer hash (nullprogram.com/blog/2018/07/31/).
    """
    mixed = (ix.astype(np.uint32) * np.uint32(0x9E3779B1)) ^ (iy.astype(np.uint32) * np.uint32(0x85EBCA77))
    mixed += np.uint32((key * 0xC2B2AE3D + 0x165667B1) & 0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        mixed ^= mixed >> np.uint32(shift)
        mixed *= np.uint32(factor)
    mixed ^= mixed >> np.uint32(16)
    return (mixed >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def value_noise(east_m: Reals, north_m: Reals, wavelength_m: float, key: int) -> Reals:
    """Smooth noise in [-1, 1] at each point (any shape): hashed lattice values, interpolated with Perlin's quintic."""
    u, v = east_m / np.float32(wavelength_m), north_m / np.float32(wavelength_m)
    column, row = np.floor(u), np.floor(v)
    u, v = u - column, v - row
    first_column, first_row = int(column.min()), int(row.min())
    lattice_columns = np.arange(first_column, int(column.max()) + 2)
    lattice_rows = np.arange(first_row, int(row.max()) + 2)
    lattice = hash_unit(lattice_columns[None, :], lattice_rows[:, None], key).ravel()
    stride = len(lattice_columns)
    corner = (row - first_row).astype(np.int32) * stride + (column - first_column).astype(np.int32)
    u, v = u * u * u * (u * (u * 6 - 15) + 10), v * v * v * (v * (v * 6 - 15) + 10)
    near = lattice[corner] * (1 - u) + lattice[corner + 1] * u
    far = lattice[corner + stride] * (1 - u) + lattice[corner + stride + 1] * u
    result: Reals = 2 * (near * (1 - v) + far * v) - 1
    return result


def fractal_noise(east_m: Reals, north_m: Reals, wavelengths_m: tuple[float, ...], key: int, gain: float) -> Reals:
    """Sum of value noises, each `gain` times as strong as the one before; roughly in [-1, 1]."""
    total = np.zeros(np.broadcast_shapes(east_m.shape, north_m.shape), dtype=np.float32)
    strength, norm = 1.0, 0.0
    for octave, wavelength_m in enumerate(wavelengths_m):
        total += np.float32(strength) * value_noise(east_m, north_m, wavelength_m, key + 101 * octave)
        norm += strength
        strength *= gain
    result: Reals = total / np.float32(norm)
    return result


def grain_tile(size: int, slope: float, key: int) -> Reals:
    """A square of noise that repeats without a seam: power falls as frequency to the 2·`slope`; mean 0, deviation 1."""
    rng = np.random.default_rng([key, size])
    spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    tile = np.fft.irfft2(spectrum * frequency**-slope, s=(size, size))
    scaled: Reals = (tile / tile.std()).astype(np.float32)
    return scaled
