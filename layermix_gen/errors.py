"""Errors that are no fault of the code; a message is one line: what was expected, what was found, what to do."""


class LayerMixError(Exception):
    """A mistake in the input, the settings or the environment that the user can correct."""

    def __init__(self, message: str) -> None:
        r"""Hold the message; line breaks in it, which may come from a path, are shown as `\n`."""
        super().__init__(message.replace("\n", "\\n").replace("\r", "\\r"))


class OutOfResources(LayerMixError):
    """Memory, open files, disk space or the time of a query have run out; nothing is said of what was read."""


class BadImage(LayerMixError):
    """One image cannot be read. A build records the reason, skips the image and goes on."""


class Interrupted(LayerMixError):
    """The user stopped the work. What was finished is kept; the message says how to resume."""
