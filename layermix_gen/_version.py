"""The version of the package. It is here alone, so that any module may have it without importing the package's face."""

__version__ = "0.1.0.dev0"
