"""What can go wrong through no fault of the code. A message is one line: what was expected, what found, what to do."""


class LayerMixError(Exception):
    """A mistake in the input, the settings or the surroundings that the user can mend."""

    def __init__(self, message: str) -> None:
        r"""Hold the message; line breaks in it, which a path may have, are shown as `\n`."""
        super().__init__(message.replace("\n", "\\n").replace("\r", "\\r"))


class BadImage(LayerMixError):
    """One image cannot be read. A build records the reason, skips the image and goes on."""


class Interrupted(LayerMixError):
    """The user stopped the work. What was finished is kept; the message says how to resume."""
