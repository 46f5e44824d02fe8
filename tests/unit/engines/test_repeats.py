"""What the header of a workflow becomes when it is started once more."""

from opentelemetry.sdk.trace import TracerProvider
from temporalio.api.common.v1 import Header, Payload

from gateway.engines.temporal._repeats import repeated_header

MINE = Payload(metadata={"encoding": b"json/plain"}, data=b'"mine"')
TRACE = Payload(metadata={"encoding": b"json/plain"}, data=b'{"traceparent":"00-1-1-01"}')
FIRST = Header(fields={"tenant-of-a-plugin": MINE, "_tracer-data": TRACE})


def test_what_interceptors_of_a_plugin_have_put_there_stays() -> None:
    """Only the trace goes, where there is none to put in its place."""
    assert Header(fields={"tenant-of-a-plugin": MINE}) == repeated_header(FIRST)


def test_the_trace_is_that_of_the_request() -> None:
    """Written as the SDK writes it, under the name that it looks for."""
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("retry") as span:
        repeated = repeated_header(FIRST)
    assert {"tenant-of-a-plugin", "_tracer-data"} == set(repeated.fields)
    assert f"{span.get_span_context().trace_id:032x}" in repeated.fields["_tracer-data"].data.decode()
    assert MINE == repeated.fields["tenant-of-a-plugin"]
