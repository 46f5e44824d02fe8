"""What a request that failed is answered."""

from gateway.engines import InvalidInput
from gateway.operations._errors import api_error


def test_input_that_does_not_fit_has_a_detail_for_each_fault() -> None:
    error = InvalidInput("it does not fit", [("lines.0.quantity", "must be a number"), ("", "is too long")])
    answer = api_error(error, None, {})
    assert (400, "INVALID_ARGUMENT", "it does not fit") == (answer.status, answer.code, answer.message)
    assert [("body.lines.0.quantity", "must be a number"), ("body", "is too long")] == [
        (detail.field, detail.description) for detail in answer.details
    ]
    assert {"field_violation"} == {detail.type for detail in answer.details}
