"""What every floor stands on: files, processes, threads, progress, text. Nothing here knows of images."""
