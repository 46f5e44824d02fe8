"""The ``echo`` plugin: operations that answer at once, for trying out a gateway and for conformance tests.

It needs no workflow, no worker and no settings.
"""

from gateway.plugins import HandlerPlugin
from handlers.echo._handler import EchoHandler, OddlyNamedHandler
from handlers.echo._model import Ask, Headers, Nap

__all__ = ("Ask", "EchoHandler", "Headers", "Nap", "OddlyNamedHandler", "plugin")

plugin = HandlerPlugin(services=[EchoHandler(), OddlyNamedHandler()])
