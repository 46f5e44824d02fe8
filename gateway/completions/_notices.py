"""What a caller is told whose completion is too large to wait for its destination: that the operation has ended."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nexusrpc import Content, Failure

from gateway.model import OperationState
from gateway.protocol import encode_failure

if TYPE_CHECKING:
    from gateway.protocol import Completion

TOO_LARGE: Final = "nexus-gateway.CompletionTooLarge"
"""``metadata.type`` of the failure; its details are the operation's ``state`` and how many ``bytes`` are left out."""


def without_outcome(completion: Completion) -> Completion:
    """The completion with a failure that says why there is nothing else in it.

    To who waits for a result, an operation that succeeded has thereby failed: anything else would pass for the result.
    """
    ended, size = completion.state, len(completion.content.data)
    failure = Failure(
        message=f"the operation has ended ({ended.value}), but its outcome of {size} bytes is too large for a "
        "completion that has to wait; ask for its result",
        metadata={"type": TOO_LARGE},
        details={"state": ended.value, "bytes": size},
    )
    content = Content(
        headers={"content-type": "application/json"}, data=json.dumps(encode_failure(failure)).encode("ascii")
    )
    state = OperationState.FAILED if ended is OperationState.SUCCEEDED else ended
    return replace(completion, state=state, content=content)
