"""Running a model over suites: which parts, in which order, and what is checked before hours are spent."""
