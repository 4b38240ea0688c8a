"""What fills a batch: samples found in their tars, checked, decoded into its rows, and handed out in order."""
