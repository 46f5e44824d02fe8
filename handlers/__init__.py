"""The handler plugins that ship with the gateway."""
