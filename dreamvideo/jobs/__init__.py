"""JOBS: from paths to paths, by way of a run folder that survives any crash."""
