"""Unit tests of the shipped plugins."""
