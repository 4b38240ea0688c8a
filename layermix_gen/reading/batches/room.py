"""Memory of each thread, which is used again: fresh memory would have to be cleared by the system first."""

import threading

import numpy as np
import numpy.typing as npt

KEPT = 2**24  # bytes of an array; a larger one is made anew each time


class Room(threading.local):
    """Arrays of each thread, by name."""

    def __init__(self) -> None:
        self._held: dict[str, npt.NDArray[np.uint8]] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """An array of undefined content, the same memory for each call with the same name."""
        size = int(np.prod(shape))
        if size > KEPT:
            return np.empty(shape, np.uint8)
        if name not in self._held or self._held[name].size < size:
            self._held[name] = np.empty(size, np.uint8)
        return self._held[name][:size].reshape(shape)
