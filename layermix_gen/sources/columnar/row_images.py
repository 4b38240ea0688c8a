"""What sources of files with an image in each row have in common: the rows are listed, read and decoded one by one."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from layermix_gen.errors import BadImage
from layermix_gen.images import Image
from layermix_gen.images.codec import decode, header_size
from layermix_gen.sources.base import DEFAULT_OPTIONS, Item, check_bytes, replaced
from layermix_gen.sources.columnar.features import ListedFile, list_rows, place_of


class RowImages(ABC):
    """The images in the rows of `files`, of one split of a set; `kind` opens it again, with the location.

    `version` tells what the files were when the source was opened; `open_source` sets it.
    """

    version = ""
    options = DEFAULT_OPTIONS
    ignored = 0

    def __init__(self, location: str, kind: str, split: str, files: Sequence[Path], max_pixels: int) -> None:
        self.location = location
        self.kind = f"{kind}:{split}" if split else kind
        self._paths = {path.name: path for path in files}
        self._max_pixels = max_pixels

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names: those of the files' features, else labels that are names; () if there are neither."""
        return self._listed[1]

    def items(self) -> list[Item]:
        """List the rows of all files. Raises `LayerMixError` if a file is damaged, or no row has an image."""
        return self._listed[0]

    def found(self) -> Iterator[Item]:
        """Yield the rows of all files; raises as `items` does."""
        yield from self.items()

    def read(self, item: Item) -> Image:
        """Read and decode one image, uint8 (H, W, 3). Raises `BadImage` with the reason."""
        return decode(self._data(item), self._max_pixels)

    def pixel_size(self, item: Item) -> tuple[int, int]:
        """The height and width of one image, by its header. Raises `BadImage` with the reason."""
        return header_size(self._data(item), self._max_pixels)

    def _data(self, item: Item) -> bytes:
        name, row = place_of(item, self._paths)
        if item.version not in ("", self.version):
            raise replaced(item)
        check_bytes(item.size)
        data = self._bytes_at(self._paths[name], row)
        if data is None:
            raise BadImage("no bytes in its row")
        return data

    @cached_property
    def _listed(self) -> tuple[list[Item], tuple[str, ...]]:
        return list_rows(self._list([*self._paths.values()]), self.location, self.version)

    @abstractmethod
    def _list(self, paths: Sequence[Path]) -> Sequence[ListedFile]:
        """List the rows of files."""

    @abstractmethod
    def _bytes_at(self, path: Path, row: int) -> bytes | None:
        """The bytes of the image in a row of a file, if the row has one."""
