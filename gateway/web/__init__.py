"""The HTTP edge: routes, limits, health; it decides nothing."""
