"""Completion callbacks: the engine calls the gateway, and the gateway calls whom the caller named at start."""

from gateway.completions._callbacks import CALLBACK_PATH, Callback, Callbacks
from gateway.completions._destinations import DestinationPolicy
from gateway.completions._relay import Relay
from gateway.completions._sender import Sender

__all__ = ("CALLBACK_PATH", "Callback", "Callbacks", "DestinationPolicy", "Relay", "Sender")
