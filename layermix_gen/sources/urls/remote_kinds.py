"""Open a source at a URL: a folder of images, tars, or a table. Sets that need their files here are refused."""

import re

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import Source, SourceOptions, is_image_name, parsed_kind
from layermix_gen.sources.tars.tar_paths import MAGIC, is_packed_name, is_tar_name
from layermix_gen.sources.urls.remote_folder import RemoteFolderSource, refuse_remote_splits
from layermix_gen.sources.urls.remote_table import ON_THE_WEB, RemoteTableSource
from layermix_gen.sources.urls.remote_tars import RemoteTarsSource
from layermix_gen.sources.urls.source_store import SourceStore
from layermix_gen.support.checks import is_of_system, is_remote
from layermix_gen.support.remote import refuse_secrets
from layermix_gen.support.text import as_text

KINDS_AT_URLS = ("folder", "webdataset", "manifest")
_TABLE = re.compile(r"\.(csv|tsv|txt|parquet)$", re.IGNORECASE)


def open_remote(location: str, kind: str, max_pixels: int, options: SourceOptions) -> Source:
    """Open the source at a URL, of a kind that can be there, or "auto". Raises `LayerMixError` for any other."""
    location = location.rstrip("/")
    for url in filter(is_remote, (location, options.root)):
        refuse_secrets(url)
    name, split = parsed_kind(kind)
    name = _detected(location) if name == "auto" else name
    if name not in KINDS_AT_URLS or split:
        kinds = f"{', '.join(KINDS_AT_URLS[:-1])} or {KINDS_AT_URLS[-1]}"
        raise LayerMixError(
            f"expected a source of the kind {kinds} at a URL, got {kind} for {location}; copy it to this machine"
        )
    if options.follow_links or (options.root and name != "manifest"):
        flag = "--follow-links" if options.follow_links else "--root"
        raise LayerMixError(f"{flag} is not for {location}, of the kind {name}; leave it out")
    if name == "folder":
        return RemoteFolderSource(location, max_pixels)
    if name == "manifest":
        return RemoteTableSource(location, max_pixels, root=options.root)
    return RemoteTarsSource(location, max_pixels)


def _detected(location: str) -> str:
    """The kind that a URL shows by its end, or by what lies directly in the folder there."""
    path = location.partition("://")[2]
    if MAGIC.search(path) or is_tar_name(path):
        return "webdataset"
    if _TABLE.search(path):
        return "manifest"
    if location.partition("://")[0] in ON_THE_WEB:
        raise LayerMixError(
            f"expected a tar or a table (CSV or Parquet) at {location}, for folders on the web cannot be listed; "
            "give one of these, or name it by --kind webdataset or manifest"
        )
    store = SourceStore(location)
    entries = [one for one in store.listed() if not one.path.startswith(".") and not is_of_system(one.path)]
    folders = [one.path for one in entries if one.is_folder]
    names = [one.path for one in entries if not one.is_folder]
    fits = ["webdataset"] * any(is_tar_name(name) or is_packed_name(name) for name in names)
    fits += ["folder"] * (bool(folders) or any(map(is_image_name, names)))
    if len(fits) > 1:
        raise LayerMixError(f"expected one source in {location}, found {' and '.join(fits)}; give --kind")
    if not fits:
        few = as_text(", ".join(names[:3])) + ", ..." * (len(names) > 3)
        found = f"a folder with {few}; copy it to this machine" if names else "nothing; check the URL"
        raise LayerMixError(f"expected a folder of images, tars or a table at {location}, found {found}")
    if fits == ["folder"]:
        refuse_remote_splits(location, folders)
    return fits[0]
