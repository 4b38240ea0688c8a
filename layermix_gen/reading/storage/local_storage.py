"""A dataset in a folder: its tars are mapped into memory."""

from collections.abc import Callable, Sequence
from pathlib import Path

from layermix_gen.dataset.names import tar_name
from layermix_gen.errors import LayerMixError
from layermix_gen.reading.description import Description
from layermix_gen.reading.storage.base import Use
from layermix_gen.reading.storage.maps import Maps


class LocalStorage:
    """A finished dataset in a folder. Raises `LayerMixError` where there is none."""

    def __init__(self, folder: Path) -> None:
        folder = folder.absolute()  # the working directory may change, and workers may have another
        path = folder / "dataset.json"
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            unfinished = (folder / "plan.json").exists()
            remedy = "it is not finished: run its build again" if unfinished else "check the path"
            raise LayerMixError(f"expected a dataset with a dataset.json at {folder}, found none; {remedy}") from error
        self.description = Description.from_json(text, str(path))
        self.folder, self.location = folder, str(folder)
        self._maps = Maps(folder)

    def __reduce__(self) -> tuple[type["LocalStorage"], tuple[Path]]:
        return LocalStorage, (self.folder,)

    def tar(self, plane: str, number: int) -> memoryview:
        """Map a tar into memory."""
        name = tar_name(plane, number)
        return self._maps.open(name, self.description.tars[name].bytes)

    def expect(self, uses: Callable[[], Sequence[Use]], ahead: int) -> None:
        """All tars are here."""

    def handed_out(self, batch: int) -> None:
        """They stay."""
