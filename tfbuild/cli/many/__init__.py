"""Several builds at a time, and the engines that carry them out."""
