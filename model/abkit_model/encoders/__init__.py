"""Frozen image encoders: bundled, OpenCLIP, and how they are loaded by name."""

DEFAULT_ENCODER = "bundled:efficientnet-lite2"
