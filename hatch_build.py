"""The hooks of a build: they compile the kernels, and make the README for an index of packages.

Kernels go into the wheel, or beside their sources where the package is installed editable.
"""

import os
import re
import sysconfig
import tempfile
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

KERNELS = "layermix_gen/kernels"
PLATFORM = os.environ.get("LAYERMIX_GEN_PLATFORM")  # of a wheel for other machines, as manylinux_2_17_x86_64


def module_at(path: Path) -> Any:
    """A module by its file: the package itself cannot be imported before what it needs is installed."""
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    SourceFileLoader(path.stem, str(path)).exec_module(module)
    return module


compiling = module_at(Path(__file__).parent / KERNELS / "compiling.py")


class ReadmeHook(MetadataHookInterface):
    """Gives the README without its pictures and links to other files, which an index of packages does not have."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the readme of the project."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = re.sub(r"!\[[^\]]*\]\((?!https:)[^)]*\)\n*", "", text)
        text = re.sub(r"\[([^\]]*)\]\((?!https:)[^)]*\)", r"\1", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


class KernelsHook(BuildHookInterface[Any]):
    """Compiles with the system's C compiler, or with zig, which comes as a Python package."""

    def dependencies(self) -> list[str]:
        """What the build needs apart from hatchling."""
        return ["ziglang"] if PLATFORM or not compiling.system_compiler() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile. Where that fails, the wheel is one of Python alone, which NumPy serves on any platform."""
        if version == "editable":
            self._compile(compiling.FOLDER)
            return
        self.folder = tempfile.TemporaryDirectory()
        if libraries := self._compile(Path(self.folder.name)):
            tag = PLATFORM or sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"], build_data["pure_python"] = f"py3-none-{tag}", False
            build_data["force_include"] = {str(path): f"{KERNELS}/{path.name}" for path in libraries}

    def _compile(self, folder: Path) -> list[Path]:
        if PLATFORM:
            compiler, machine = compiling.zig_for(PLATFORM)
            return compiling.compile_kernels(folder, compiler, machine)
        try:
            return compiling.compile_kernels(folder)
        except compiling.CompileError as error:
            self.app.display_warning(f"warning: {error}; NumPy makes the same pixels, about six times as slowly")
            return []

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the libraries, which are in the wheel now."""
        if version != "editable":
            self.folder.cleanup()
