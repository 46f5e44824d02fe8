"""Who is calling, and may they: tokens into principals, rules and permissions into decisions."""

from gateway.auth._audit import AuditLog, Auditor, id_of
from gateway.auth._authenticator import Authenticator, KeysNotLoaded
from gateway.auth._authorizer import Authorizer, Finding
from gateway.auth._claims import is_claim_text
from gateway.auth._keyset import BadKeySet, check_key_file
from gateway.auth._minting import DevIssuerFiles, MintingError, TokenMinter, generate_dev_issuer
from gateway.auth._permissions import covers_something
from gateway.auth._policy import IssuerPolicy, KeyDiscovery, KeyFile, KeyRefresh, KeyUrl
from gateway.auth._reasons import AuthenticationFailed, KeysUnavailable, Reason
from gateway.auth._revocations import Revocation, Revocations
from gateway.auth._rules import Miss, denials_about, rules_about

__all__ = (
    "AuditLog",
    "Auditor",
    "AuthenticationFailed",
    "Authenticator",
    "Authorizer",
    "BadKeySet",
    "DevIssuerFiles",
    "Finding",
    "IssuerPolicy",
    "KeyDiscovery",
    "KeyFile",
    "KeyRefresh",
    "KeyUrl",
    "KeysNotLoaded",
    "KeysUnavailable",
    "MintingError",
    "Miss",
    "Reason",
    "Revocation",
    "Revocations",
    "TokenMinter",
    "check_key_file",
    "covers_something",
    "denials_about",
    "generate_dev_issuer",
    "id_of",
    "is_claim_text",
    "rules_about",
)
