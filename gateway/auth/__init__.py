"""Who is calling, and may they: tokens into principals, rules and permissions into decisions."""

from gateway.auth._authenticator import Authenticator
from gateway.auth._authorizer import Authorizer, rules_about
from gateway.auth._minting import DevIssuerFiles, MintingError, TokenMinter, generate_dev_issuer
from gateway.auth._policy import IssuerPolicy, KeyDiscovery, KeyFile, KeyRefresh, KeyUrl
from gateway.auth._reasons import AuthenticationFailed, KeysUnavailable, Reason

__all__ = (
    "AuthenticationFailed",
    "Authenticator",
    "Authorizer",
    "DevIssuerFiles",
    "IssuerPolicy",
    "KeyDiscovery",
    "KeyFile",
    "KeyRefresh",
    "KeyUrl",
    "KeysUnavailable",
    "MintingError",
    "Reason",
    "TokenMinter",
    "generate_dev_issuer",
    "rules_about",
)
