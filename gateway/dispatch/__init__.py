"""From a parsed request to its answer: who asks, may they, what is it about, and what came of it."""

from gateway.dispatch._admission import Admission
from gateway.dispatch._call import DispatchLimits, Incoming
from gateway.dispatch._dispatcher import Dispatcher
from gateway.dispatch._errors import internal
from gateway.dispatch._handlers import Handlers
from gateway.dispatch._outcomes import Outcomes

__all__ = ("Admission", "DispatchLimits", "Dispatcher", "Handlers", "Incoming", "Outcomes", "internal")
