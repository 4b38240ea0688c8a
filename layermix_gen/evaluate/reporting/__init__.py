"""Reports: runs side by side, as tables and plots, beside the numbers of the paper."""
