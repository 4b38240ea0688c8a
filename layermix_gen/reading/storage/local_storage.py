"""A dataset in a folder: its tars are mapped into memory."""

from collections.abc import Callable, Sequence
from pathlib import Path

from layermix_gen.dataset.dataset_files import DatasetFiles, LocalFiles
from layermix_gen.dataset.names import tar_name
from layermix_gen.dataset.opening import open_dataset
from layermix_gen.reading.storage.base import TarUse
from layermix_gen.reading.storage.memory_maps import Maps


class LocalStorage:
    """A finished dataset in a folder, whose files may be links. Raises `LayerMixError` where there is none."""

    def __init__(self, folder: Path) -> None:
        folder = folder.absolute()  # the working directory may change, and workers may have another
        self.files: DatasetFiles = LocalFiles(folder, follow_links=True)
        self.manifest, self.indexes = open_dataset(self.files)
        self._folder, self.location = folder, str(folder)
        self._maps = Maps(folder)

    def __reduce__(self) -> tuple[type["LocalStorage"], tuple[Path]]:
        return LocalStorage, (self._folder,)

    def tar(self, plane: str, number: int) -> memoryview:
        """Map a tar into memory."""
        name = tar_name(plane, number)
        return self._maps.open(name, self.manifest.tars[name]["bytes"])

    def expect(self, uses: Callable[[], Sequence[TarUse]], ahead: int) -> None:
        """Nothing to fetch."""

    def handed_out(self, batch: int) -> None:
        """Nothing to remove."""
