"""An authenticating HTTP gateway for Nexus operations."""
