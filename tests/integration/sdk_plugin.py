"""The SDK's pattern, mounted: what it takes to bring an existing Nexus service behind the gateway."""

from gateway.plugins import HandlerPlugin
from tests.integration.sdk_pattern import GreetingServiceHandler, GreetingWorkflow, compose_greeting

plugin = HandlerPlugin(services=[GreetingServiceHandler()], workflows=[GreetingWorkflow], activities=[compose_greeting])
