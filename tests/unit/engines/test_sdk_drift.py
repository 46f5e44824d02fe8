"""The private names of the SDK that the engine uses: a release that changes one fails here, loudly and by name."""

import dataclasses
import inspect
from typing import Any

import nexusrpc.handler
import pytest
import temporalio.common
import temporalio.nexus
from temporalio.client import Client
from temporalio.nexus import _link_conversion as links
from temporalio.nexus import _operation_context as contexts
from temporalio.nexus import _token as tokens

from gateway.engines.temporal._failures import is_connection_error


@pytest.mark.parametrize(
    ("context", "nexus_context"),
    [
        (contexts._TemporalStartOperationContext, nexusrpc.handler.StartOperationContext),
        (contexts._TemporalCancelOperationContext, nexusrpc.handler.CancelOperationContext),
    ],
)
def test_the_operation_contexts_take_what_the_engine_gives_them(context: Any, nexus_context: type) -> None:
    """A field that is new and required, or gone, breaks hosting."""
    given = {"nexus_context", "client", "info", "_runtime_metric_meter", "_worker_shutdown_event"}
    parameters = inspect.signature(context).parameters
    required = {name for name, parameter in parameters.items() if parameter.default is inspect.Parameter.empty}
    assert given == required
    assert callable(context.set)
    assert nexus_context in {nexusrpc.handler.StartOperationContext, nexusrpc.handler.CancelOperationContext}


def test_the_shutdown_event_is_made_of_two_events() -> None:
    """``is_worker_shutdown()`` asks the one, ``wait_for_worker_shutdown()`` the other."""
    assert [f.name for f in dataclasses.fields(temporalio.common._CompositeEvent)] == ["thread_event", "async_event"]


def test_the_context_variables_have_the_names_that_handlers_look_under() -> None:
    """Both are read by ``temporalio.nexus.client()``."""
    assert contexts._temporal_start_operation_context.name == "temporal-start-operation-context"
    assert contexts._temporal_cancel_operation_context.name == "temporal-cancel-operation-context"


def test_the_operation_token_has_the_fields_that_the_engine_pins() -> None:
    """A further field would be lost when the engine writes the token anew."""
    expected = {"version", "type", "namespace", "workflow_id", "activity_id", "run_id", "update_id"}
    assert expected == {field.name for field in dataclasses.fields(tokens.OperationToken)}
    assert {"WORKFLOW", "ACTIVITY", "UPDATE_WORKFLOW"} == {kind.name for kind in tokens.OperationTokenType}


def test_the_handlers_accept_a_workflow_token_with_a_run_in_it() -> None:
    """The engine hands them such a token to cancel."""
    token = tokens.OperationToken(
        type=tokens.OperationTokenType.WORKFLOW, namespace="n", workflow_id="w", run_id="r"
    ).encode()
    assert tokens.WorkflowHandle[None].from_token(token).workflow_id == "w"


def test_links_are_converted_by_a_function_of_one_link() -> None:
    """It decides which links of a caller can be attached."""
    assert list(inspect.signature(links.nexus_link_to_temporal_link).parameters) == ["nexus_link"]


async def test_a_lazy_client_that_cannot_connect_says_so_in_the_words_that_the_engine_knows() -> None:
    """The SDK raises a bare RuntimeError, so its words are all there is to tell an outage by."""
    client = await Client.connect("127.0.0.1:1", lazy=True)
    with pytest.raises(RuntimeError) as raised:
        await client.get_workflow_handle("any").describe()
    assert is_connection_error(raised.value)
