"""What is remembered between runs; deletable at any time."""
