"""Reports: runs side by side, as tables and plots, together with the numbers of the paper."""
