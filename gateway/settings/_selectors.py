"""Selectors of rules and stops: whom they are about, what, and how."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, RootModel, Tag, WithJsonSchema

from gateway.model import ClaimPath, Verb
from gateway.settings._faults import CLAIMS_TAG, GLOBS_TAG
from gateway.settings._values import Name, as_claim_texts

Globs = Annotated[tuple[Name, ...], Field(min_length=1)]
_CLAIM_GLOB = {"type": ["string", "integer", "boolean"]}
ClaimGlobs = Annotated[
    Globs,
    BeforeValidator(as_claim_texts),
    WithJsonSchema({"anyOf": [_CLAIM_GLOB, {"type": "array", "items": _CLAIM_GLOB, "minItems": 1}]}),
]


def _claims_or_globs(value: object) -> str:
    return CLAIMS_TAG if isinstance(value, Mapping) else GLOBS_TAG


class Section(BaseModel):
    """A mapping of keys to values; a key that is not known is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=False)


_ClaimGlobsOrClaims = Annotated[
    Annotated[ClaimGlobs, Tag(GLOBS_TAG)] | Annotated["ClaimSettings", Tag(CLAIMS_TAG)], Discriminator(_claims_or_globs)
]


class ClaimSettings(RootModel[dict[Name, _ClaimGlobsOrClaims]]):
    """Globs by the names of claims; in place of globs a mapping of the same kind, for a claim that holds claims."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    # Empty, it would match every token.
    root: dict[Name, _ClaimGlobsOrClaims] = Field(min_length=1)

    def by_path(self) -> Mapping[ClaimPath, tuple[str, ...]]:
        """The globs by where in the token their claim is."""
        return dict(self._paths())

    def _paths(self) -> Iterator[tuple[ClaimPath, tuple[str, ...]]]:
        for name, inner in self.root.items():
            if isinstance(inner, ClaimSettings):
                yield from (((name, *path), globs) for path, globs in inner.by_path().items())
            else:
                yield (name,), inner


class Selectors(Section):
    """Who, what and how. Every selector that is given must match; one that is left out matches everything."""

    issuers: Globs | None = Field(default=None, description="Globs of the caller's issuer.")
    namespaces: Globs | None = Field(
        default=None, description="Globs of the caller's own namespace.", examples=[["checkout"]]
    )
    subjects: Globs | None = Field(default=None, description="Globs of the caller's subject.")
    claims: ClaimSettings | None = Field(
        default=None,
        description="Globs of claims of the caller's token, by the claim's name and nested as in the token; of a list "
        "one item must match.",
        examples=[{"team": "payments"}, {"realm_access": {"roles": ["admin"]}}],
    )
    operations: Globs | None = Field(
        default=None, description="Globs of service/operation.", examples=[["orders.v1/*"]]
    )
    verbs: Annotated[frozenset[Verb], Field(min_length=1)] | None = Field(
        default=None, description="What the caller may do.", examples=[["start", "cancel", "result"]]
    )
