"""The doors: the only modules that touch the engine, the cluster, other programs and the file system's events."""
