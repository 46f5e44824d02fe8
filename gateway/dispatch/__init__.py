"""From a parsed request to its answer: who asks, may they, what is it about, and what came of it."""

from gateway.dispatch._dispatcher import Dispatcher, DispatchLimits, Incoming, internal_error

__all__ = ("DispatchLimits", "Dispatcher", "Incoming", "internal_error")
