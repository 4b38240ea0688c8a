"""What the site has besides the pages of this folder: README, CONTRIBUTING, CHANGELOG and the API reference.

mkdocs calls `on_files` before it reads the pages, and `on_page_markdown` for each.
"""

import ast
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import layermix_gen

ROOT = Path(__file__).parents[1]
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
SHARDS = "layermix_gen.inspection.shards.Shards"  # what `open_shards` returns
FACES = {  # page: the module whose public names it explains, and what they are for
    "layermix_gen": ("layermix_gen", "Build, read, mix and inspect."),
    "evaluate": ("layermix_gen.evaluate", "Corrupt images, run models, measure and report."),
    "sources": ("layermix_gen.sources", "Where labelled images come from."),
    "fractals": ("layermix_gen.mixing_sets.fractals", "Pictures that are mixed in."),
}


def public_names(module: str) -> list[str]:
    """The public names of a module, in the order of its stub or its `__all__`."""
    folder = ROOT / module.replace(".", "/")
    stub = folder / "__init__.pyi"
    tree = ast.parse((stub if stub.exists() else stub.with_suffix(".py")).read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]


def reference(module: str, about: str) -> str:
    """The page that explains the public names of a module, and the class of what `open_shards` returns."""
    names = [f"{module}.{name}" for name in public_names(module)]
    if "layermix_gen.open_shards" in names:
        names.insert(names.index("layermix_gen.open_shards") + 1, SHARDS)
    return f"# {module}\n\n{about}\n\n" + "\n\n".join(map(entry, names)) + "\n"


def entry(path: str) -> str:
    """The entry of a public name; that of a method's options has a table, as their help is no docstring."""
    module, _, name = path.rpartition(".")
    if module != "layermix_gen" or not name.endswith("Options"):
        return f"::: {path}"
    found = getattr(layermix_gen, name)
    rows = [f"| `{option}` | `{getattr(found(), option)!r}` | {kind.help} |" for option, kind in found.kinds().items()]
    hidden = "    options: {members: false, inherited_members: false, show_signature: false, show_bases: false}"
    return "\n".join([f"::: {path}", hidden, "", "| option | default | |", "|---|---|---|", *rows])


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside of the folder, or nowhere."""
    pages = {site: (ROOT / name).read_text("utf-8") for name, site in OUTSIDE.items()}
    pages |= {f"api/{page}.md": reference(*face) for page, face in FACES.items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where a page is on the site; links to the repository's other files keep their text alone."""

    def moved(match: "re.Match[str]") -> str:
        text, path, anchor = match[1], match[2], match[3] or ""
        name = path.removeprefix("../")
        if page.file.src_uri in OUTSIDE.values():  # from the root
            name = name.removeprefix("docs/")
        elif name == path:
            return match[0]
        name = OUTSIDE.get(name, name)
        return f"[{text}]({name}{anchor})" if files.get_file_from_path(name) else text

    return re.sub(r"\[([^\]]*)\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)", moved, markdown)
