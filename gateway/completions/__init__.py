"""Completion callbacks: the engine calls the gateway, and the gateway calls whom the caller named at start."""

from gateway.completions._addresses import Network, address_fault, parse_address
from gateway.completions._callback_headers import MAX_CALLBACK_HEADERS, header_fault
from gateway.completions._callbacks import CALLBACK_PATH, Callback, Callbacks, Delivery
from gateway.completions._courier import HOPS_HEADER, Courier
from gateway.completions._destinations import AllowRule, Destination, DestinationPolicy, DestinationRefused
from gateway.completions._lanes import Lanes
from gateway.completions._own_addresses import OwnAddresses
from gateway.completions._relay import COMPLETION_BYTES, Relay
from gateway.completions._sender import Attempt, LookUp, Report, Sender
from gateway.completions._shipments import Envelopes, Shipment
from gateway.completions._signing import (
    CALLBACK_KEYS_PATH,
    SEED_BYTES,
    Signer,
    SigningKey,
    derived_signing_keys,
)

__all__ = (
    "CALLBACK_KEYS_PATH",
    "CALLBACK_PATH",
    "COMPLETION_BYTES",
    "HOPS_HEADER",
    "MAX_CALLBACK_HEADERS",
    "SEED_BYTES",
    "AllowRule",
    "Attempt",
    "Callback",
    "Callbacks",
    "Courier",
    "Delivery",
    "Destination",
    "DestinationPolicy",
    "DestinationRefused",
    "Envelopes",
    "Lanes",
    "LookUp",
    "Network",
    "OwnAddresses",
    "Relay",
    "Report",
    "Sender",
    "Shipment",
    "Signer",
    "SigningKey",
    "address_fault",
    "derived_signing_keys",
    "header_fault",
    "parse_address",
)
