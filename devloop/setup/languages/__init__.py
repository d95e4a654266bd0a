"""Programs without a Dockerfile: which language, and a good Dockerfile for it."""
