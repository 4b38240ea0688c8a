"""What `dataset.json` says of a dataset, as far as a reader needs it."""

import json
from dataclasses import dataclass

from layermix_gen.dataset.manifest import FORMAT
from layermix_gen.dataset.names import tar_name
from layermix_gen.dataset.tar import TarSummary
from layermix_gen.errors import LayerMixError


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """A finished dataset. `counts` is how many images each shard has in every plane; `tars` is by relative path."""

    digest: str
    planes: tuple[str, ...]
    counts: tuple[int, ...]
    tars: dict[str, TarSummary]
    classes: tuple[str, ...]
    size: int
    format: str
    one_view: bool  # all planes of an image show the same part of it

    @classmethod
    def from_json(cls, text: str, location: str) -> "Description":
        """Read the text of a `dataset.json`. Raises `LayerMixError` where it is none, or of another version."""
        try:
            value = json.loads(text)
            if value["format"] != FORMAT:
                raise LayerMixError(
                    f"expected {FORMAT!r} in {location}, found {value['format']!r}; use the version that wrote it"
                )
            settings, tars = value["settings"], value["tars"]
            first = value["planes"][0]
            return cls(
                digest=value["digest"],
                planes=tuple(value["planes"]),
                counts=tuple(tars[tar_name(first, number)]["samples"] for number in range(value["shards"])),
                tars={name: TarSummary(tar["bytes"], tar["sha256"]) for name, tar in tars.items()},
                classes=tuple(value["source"]["classes"]),
                size=settings["size"],
                format=settings["format"],
                one_view=settings["view_mode"] == "shared" or settings["view"] == "center",
            )
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise LayerMixError(
                f"{location} is damaged ({type(error).__name__}: {error}); run the build again to write it anew"
            ) from error

    @property
    def variants(self) -> tuple[str, ...]:
        """The planes that are variants: all but the clean one."""
        return tuple(plane for plane in self.planes if plane != "clean")

    def tar(self, plane: str, number: int) -> TarSummary:
        """Size and sha256 of the tar of one plane of a shard."""
        return self.tars[tar_name(plane, number)]
