"""The operations resource: see, steer and follow operations, on the engines' own state and no other.

1. ``Access`` admits a caller to an operation by its token, or to those it may list;
2. ``Queries`` finds operations, ``Actions`` does something to one, ``Bulk`` to many, ``Events`` follows one;
3. ``api_error`` makes one answer of whatever went wrong.
"""

from gateway.operations._access import Access
from gateway.operations._actions import Actions, Request
from gateway.operations._asking import Asker
from gateway.operations._bulk import Bulk, BulkRequest
from gateway.operations._bulk_requests import bulk_request
from gateway.operations._errors import STATUS, ApiError, ErrorDetail, api_error, invalid
from gateway.operations._events import Events
from gateway.operations._parameters import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, parse_filter, parse_list, parse_reason
from gateway.operations._permits import Permits
from gateway.operations._queries import Queries
from gateway.operations._rendering import json_text

__all__ = (
    "DEFAULT_PAGE_SIZE",
    "MAX_PAGE_SIZE",
    "STATUS",
    "Access",
    "Actions",
    "ApiError",
    "Asker",
    "Bulk",
    "BulkRequest",
    "ErrorDetail",
    "Events",
    "Permits",
    "Queries",
    "Request",
    "api_error",
    "bulk_request",
    "invalid",
    "json_text",
    "parse_filter",
    "parse_list",
    "parse_reason",
)
