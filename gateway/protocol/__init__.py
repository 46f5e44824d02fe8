"""Nexus over HTTP without any I/O: pure functions between bytes and frozen values, for server and client alike.

What a peer got wrong raises RemoteProtocolError and nothing else; what we got wrong raises LocalProtocolError.

========================  ======================================  =======================================
of                        to read                                 to write
========================  ======================================  =======================================
targets                   ``split_target``                        ``join_target``
requests                  ``decode_request``                      ``encode_request``
responses                 ``decode_response``                     ``encode_response``
completions               ``decode_completion``                   ``encode_completion``
failures                  ``decode_failure``                      ``encode_failure``
========================  ======================================  =======================================
"""

from gateway.protocol._completions import Completion, EncodedCompletion, decode_completion, encode_completion
from gateway.protocol._content import check_body, check_json
from gateway.protocol._durations import decode_duration, encode_duration
from gateway.protocol._errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from gateway.protocol._failures import FailureForm, decode_failure, encode_failure, without_stack_traces
from gateway.protocol._headers import (
    TRANSPORT_HEADERS,
    WITHHELD_HEADERS,
    WITHHELD_PREFIXES,
    HeaderItems,
    Headers,
    check_received,
)
from gateway.protocol._limits import DEFAULT_LIMITS, Limits
from gateway.protocol._links import decode_links, encode_link
from gateway.protocol._metadata import MAX_METADATA, METADATA_PREFIX
from gateway.protocol._nexus_errors import (
    handler_error_from_failure,
    handler_error_to_failure,
    operation_error_from_failure,
    operation_error_to_failure,
)
from gateway.protocol._request_decoder import decode_failure_form, decode_request
from gateway.protocol._request_encoder import encode_request
from gateway.protocol._requests import (
    CancelOperation,
    EncodedRequest,
    FetchInfo,
    FetchResult,
    NexusRequest,
    StartOperation,
)
from gateway.protocol._response_decoder import decode_response
from gateway.protocol._response_encoder import encode_response
from gateway.protocol._responses import (
    CancelAccepted,
    EncodedResponse,
    HandlerFailed,
    NexusResponse,
    OperationFailed,
    OperationInfo,
    OperationRunning,
    OperationStarted,
    OperationSucceeded,
)
from gateway.protocol._status import ERROR_TYPES, STATUS, wire_type
from gateway.protocol._targets import (
    ENDPOINTS_PREFIX,
    SERVICES_INFIX,
    decode_name,
    encode_name,
    join_target,
    result_location,
    split_target,
)
from gateway.protocol._times import decode_timestamp, encode_timestamp
from gateway.protocol._trace_context import TRACE_HEADERS

__all__ = (
    "DEFAULT_LIMITS",
    "ENDPOINTS_PREFIX",
    "ERROR_TYPES",
    "MAX_METADATA",
    "METADATA_PREFIX",
    "SERVICES_INFIX",
    "STATUS",
    "TRACE_HEADERS",
    "TRANSPORT_HEADERS",
    "WITHHELD_HEADERS",
    "WITHHELD_PREFIXES",
    "CancelAccepted",
    "CancelOperation",
    "Completion",
    "EncodedCompletion",
    "EncodedRequest",
    "EncodedResponse",
    "FailureForm",
    "FetchInfo",
    "FetchResult",
    "HandlerFailed",
    "HeaderItems",
    "Headers",
    "Limits",
    "LocalProtocolError",
    "NexusRequest",
    "NexusResponse",
    "OperationFailed",
    "OperationInfo",
    "OperationRunning",
    "OperationStarted",
    "OperationSucceeded",
    "ProtocolError",
    "RemoteProtocolError",
    "StartOperation",
    "check_body",
    "check_json",
    "check_received",
    "decode_completion",
    "decode_duration",
    "decode_failure",
    "decode_failure_form",
    "decode_links",
    "decode_name",
    "decode_request",
    "decode_response",
    "decode_timestamp",
    "encode_completion",
    "encode_duration",
    "encode_failure",
    "encode_link",
    "encode_name",
    "encode_request",
    "encode_response",
    "encode_timestamp",
    "handler_error_from_failure",
    "handler_error_to_failure",
    "join_target",
    "operation_error_from_failure",
    "operation_error_to_failure",
    "result_location",
    "split_target",
    "wire_type",
    "without_stack_traces",
)
