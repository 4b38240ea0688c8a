"""Models to evaluate: loaded with their weights, put into evaluation mode, and called."""
