"""Running a model over suites: which parts, in which order, and what is looked at before hours are spent."""
