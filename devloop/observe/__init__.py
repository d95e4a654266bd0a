"""What became of what was deployed: readiness, logs and ports."""
