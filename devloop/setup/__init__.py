"""A first configuration: what a folder holds, and the devloop.yaml that fits it."""
