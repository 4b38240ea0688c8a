"""The colours of all drawn figures."""

PAPER, INK, QUIET, HAIRLINE = "#ffffff", "#17181c", "#656772", "#d9dadf"  # contrast of QUIET on PAPER: 5.6
IMAGE_INK, PICTURE_INK = "#3f62a3", "#b8621d"  # for what comes from the training image, and from the mixing set
FOUND = "#b3c4e3"  # bars of found values, next to lines of expected ones

SERIES = (
    *("#a3a9b3", "#4f7cac", "#d98e32", "#7c9d5b", "#8d6a9f", "#4aa3a2"),
    *("#c9a227", "#b05c5c", "#2f3e5c", "#d78fa8", "#8a6b4a", "#a9c4de"),
)
HATCHES = ("", "////", "xxxx", "....")  # once the colours of a series are used up
RIGHT, OVER, UNDER = "#4f7cac", "#e7a7a3", "#b9cde3"  # accuracy, overconfidence, underconfidence
HEAT = ("#fbf7ef", "#f3cf9b", "#e08a5f", "#b5435a", "#6a1f4d", "#2c1037")  # from low errors to high ones
