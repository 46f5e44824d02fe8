"""Tests against the real systems."""
