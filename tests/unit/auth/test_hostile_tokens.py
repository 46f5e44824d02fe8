"""Tokens that must be refused, by class of attack: each with its reason for the log and a sentence for the client.

Every token here is as good as it can be but for the one thing that is wrong; where a signature can be right, it is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nexusrpc import HandlerErrorType

from gateway.auth import Auditor, AuthenticationFailed, Authenticator, Reason
from gateway.model import PartialAddress, Verb
from tests.unit.auth.signing import DELETE, Signer, encoded, key_set, policy

if TYPE_CHECKING:
    from pathlib import Path

SIGNER = Signer.create()
STRANGER = Signer.create()
NOW = int(time.time())
GOOD = SIGNER.token()
HEADER, CLAIMS, SIGNATURE = GOOD.split(".")
CLAIMS_TEXT = json.dumps(SIGNER.claims())


def with_header(**members: object) -> str:
    return SIGNER.sign(SIGNER.header(**members), SIGNER.claims())


def hmac_token(secret: bytes, algorithm: str) -> str:
    signing_input = f"{encoded(SIGNER.header(alg=algorithm))}.{encoded(SIGNER.claims())}"
    return f"{signing_input}.{encoded(hmac.new(secret, signing_input.encode(), hashlib.sha256).digest())}"


def as_pem() -> bytes:
    return bytes(SIGNER.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def respelled(part: str) -> str:
    """The same bytes in base64url with other unused bits at the end."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4 in (2, 3)
    return part[:-1] + alphabet[alphabet.index(part[-1]) ^ 1]


def padded_claims() -> str:
    """Claims whose base64url has unused bits."""
    claims = SIGNER.claims()
    while len(json.dumps(claims)) % 3 == 0:
        claims["pad"] = claims.get("pad", "") + "x"
    return json.dumps(claims)


def respelled_claims() -> str:
    """A good signature over claims that are not in canonical base64url."""
    signing_input = f"{encoded(SIGNER.header())}.{respelled(encoded(padded_claims()))}"
    return f"{signing_input}.{encoded(SIGNER._pyjwt.sign(signing_input.encode(), SIGNER.key))}"


def raw(header: str | dict[str, Any], claims: str | bytes | dict[str, Any]) -> str:
    return SIGNER.sign(header, claims)


FORM: dict[str, str] = {
    "empty": "",
    "one part": HEADER,
    "two parts": f"{HEADER}.{CLAIMS}",
    "four parts": f"{GOOD}.{SIGNATURE}",
    "five parts, as an encrypted token": f"{GOOD}.{SIGNATURE}.{SIGNATURE}",
    "a dot before": f".{GOOD}",
    "a dot behind": f"{GOOD}.",
    "no header": f".{CLAIMS}.{SIGNATURE}",
    "no claims": f"{HEADER}..{SIGNATURE}",
    "no signature": f"{HEADER}.{CLAIMS}.",
    "padding behind the signature": f"{GOOD}==",
    "padding behind the header": f"{HEADER}=.{CLAIMS}.{SIGNATURE}",
    "standard base64": f"{HEADER}.{CLAIMS}.{SIGNATURE[:-2]}+/",
    "a newline behind": f"{GOOD}\n",
    "a newline inside": f"{HEADER}.{CLAIMS[:5]}\n{CLAIMS[5:]}.{SIGNATURE}",
    "a carriage return": f"{GOOD}\r",
    "a tab": f"{GOOD}\t",
    "a NUL": f"{GOOD}\x00",
    "a non-breaking space": f"{GOOD}\xa0",
    "full-width letters": GOOD.replace("e", "\uff45", 1),
    "an impossible length": f"{HEADER}.{CLAIMS}.{'A' * 85}",
    "unused bits in the signature": f"{HEADER}.{CLAIMS}.{respelled(SIGNATURE)}",
    "unused bits in the claims": respelled_claims(),
    "a comma and a second token": f"{GOOD},{GOOD}",
    "JSON serialization": json.dumps({"payload": CLAIMS, "protected": HEADER, "signature": SIGNATURE}),
    "header not JSON": raw("alg=ES256", CLAIMS_TEXT),
    "header a list": raw('[{"alg":"ES256"}]', CLAIMS_TEXT),
    "header a string": raw('"ES256"', CLAIMS_TEXT),
    "header null": raw("null", CLAIMS_TEXT),
    "claims not JSON": raw(SIGNER.header(), "sub=me"),
    "claims a list": raw(SIGNER.header(), f"[{CLAIMS_TEXT}]"),
    "claims null": raw(SIGNER.header(), "null"),
    "claims with text behind": raw(SIGNER.header(), CLAIMS_TEXT + "{}"),
    "claims in UTF-16": raw(SIGNER.header(), CLAIMS_TEXT.encode("utf-16")),
    "claims with a byte order mark": raw(SIGNER.header(), b"\xef\xbb\xbf" + CLAIMS_TEXT.encode()),
    "claims not UTF-8": raw(SIGNER.header(), CLAIMS_TEXT.replace("svc", "své").encode("latin-1")),
    "claims with half a surrogate pair": raw(SIGNER.header(), CLAIMS_TEXT.replace("svc", r"\ud800")),
    "a comment in the claims": raw(SIGNER.header(), CLAIMS_TEXT + "// x"),
    "single quotes": raw(SIGNER.header(), CLAIMS_TEXT.replace('"', "'")),
    "a NaN": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + ', "x": NaN}'),
    "an Infinity": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + ', "x": Infinity}'),
    "a negative Infinity": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + ', "x": -Infinity}'),
    "a number that overflows": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + ', "x": 1e999}'),
    "a number of 5000 digits": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + f', "x": {"9" * 5000}}}'),
    "lists 2500 deep": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + f', "x": {"[" * 2500}{"]" * 2500}}}'),
    "objects 900 deep": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + f', "x": {chr(123)}' + '"a":{' * 900 + "}" * 901 + "}"),
}

DUPLICATES: dict[str, str] = {
    "alg twice": raw('{"alg":"none","alg":"ES256","kid":"k1"}', CLAIMS_TEXT),
    "kid twice": raw('{"alg":"ES256","kid":"k2","kid":"k1"}', CLAIMS_TEXT),
    "the same alg twice": raw('{"alg":"ES256","alg":"ES256","kid":"k1"}', CLAIMS_TEXT),
    "alg twice, once escaped": raw('{"\\u0061lg":"ES256","alg":"ES256","kid":"k1"}', CLAIMS_TEXT),
    "iss twice": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + ', "iss": "https://other.test"}'),
    "sub twice": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + ', "sub": "admin"}'),
    "exp twice": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + ', "exp": 9999999999}'),
    "aud twice": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + ', "aud": "other"}'),
    "namespace twice": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + ', "namespace": "admin"}'),
    "namespace twice, once escaped": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + ', "name\\u0073pace": "admin"}'),
    "twice in a nested object": raw(SIGNER.header(), CLAIMS_TEXT[:-1] + ', "x": {"a": 1, "a": 2}}'),
}

HEADERS: dict[str, str] = {
    "jku": with_header(jku="https://evil.test/jwks.json"),
    "x5u": with_header(x5u="https://evil.test/cert.pem"),
    "x5c": with_header(x5c=["MIIB"]),
    "x5t": with_header(x5t="abc"),
    "an embedded key": STRANGER.sign(STRANGER.header(jwk=STRANGER.jwk()), STRANGER.claims()),
    "crit": with_header(crit=["exp"]),
    "crit with an unknown name": with_header(crit=["http://evil.test/x"]),
    "b64": with_header(b64=False),
    "zip": with_header(zip="DEF"),
    "cty": with_header(cty="JWT"),
    "enc": with_header(enc="A256GCM"),
    "an unknown member": with_header(extra=1),
    "an empty name": with_header(**{"": 1}),
    "kid a number": with_header(kid=1),
    "kid null": with_header(kid=None),
    "kid a list": with_header(kid=["k1"]),
    "kid an object": with_header(kid={"k": "1"}),
    "kid empty": with_header(kid=""),
    "kid of 257 characters": with_header(kid="k" * 257),
    "kid with a newline": with_header(kid="k1\n"),
    "kid a path with NUL": with_header(kid="../../dev/null\x00"),
    "kid with a space": with_header(kid="k 1"),
}

ALGORITHMS: dict[str, str] = {
    **{
        f"alg {name!r}": f"{encoded(SIGNER.header(alg=name))}.{CLAIMS}.{SIGNATURE}"
        for name in (
            "none", "None", "NONE", "nOnE", " none", "none ", "", "es256", "ES256 ", "ES256\x00", "ES384", "ES512",
            "ES256K", "RS256", "RS384", "RS512", "PS256", "EdDSA", "Ed25519", "Ed448", "HS256", "HS384", "HS512",
            "RSA1_5", "dir", "A128KW",
        )
    },
    "alg a number": with_header(alg=256),
    "alg null": with_header(alg=None),
    "alg a list": with_header(alg=["ES256"]),
    "alg missing": with_header(alg=DELETE),
    "HS256 with the public key in PEM": hmac_token(as_pem(), "HS256"),
    "HS256 with the public key set": hmac_token(key_set(SIGNER.jwk()).encode(), "HS256"),
    "HS256 with the x coordinate": hmac_token(base64.urlsafe_b64decode(SIGNER.jwk()["x"] + "="), "HS256"),
}  # fmt: skip

TYPES: dict[str, str] = {
    f"typ {name!r}": with_header(typ=name)
    for name in (
        "dpop+jwt", "logout+jwt", "secevent+jwt", "id_token", "JWE", "JOSE", "JWT ", "", "application/", "text/jwt", 1,
        None, ["JWT"],
    )
}  # fmt: skip

SIGNATURES: dict[str, tuple[str, Reason]] = {
    "another key": (STRANGER.token(), Reason.SIGNATURE),
    "an unknown kid": (with_header(kid="k2"), Reason.UNKNOWN_KEY),
    "a kid in another case": (with_header(kid="K1"), Reason.UNKNOWN_KEY),
    "a kid that is a path": (with_header(kid="../../../../dev/null"), Reason.UNKNOWN_KEY),
    "a kid that is SQL": (with_header(kid="'UNION/**/SELECT'x"), Reason.UNKNOWN_KEY),
    "zeros": (f"{HEADER}.{CLAIMS}.{encoded(bytes(64))}", Reason.SIGNATURE),
    "ones": (f"{HEADER}.{CLAIMS}.{encoded(bytes([255] * 64))}", Reason.SIGNATURE),
    "r and s of one": (f"{HEADER}.{CLAIMS}.{encoded((bytes(31) + bytes([1])) * 2)}", Reason.SIGNATURE),
    "one byte": (f"{HEADER}.{CLAIMS}.{encoded(b'x')}", Reason.SIGNATURE),
    "63 bytes": (f"{HEADER}.{CLAIMS}.{encoded(bytes(63))}", Reason.SIGNATURE),
    "65 bytes": (f"{HEADER}.{CLAIMS}.{encoded(base64.urlsafe_b64decode(SIGNATURE + '==') + b'x')}", Reason.SIGNATURE),
    "DER": (f"{HEADER}.{CLAIMS}.{encoded(bytes.fromhex('3006020101020101'))}", Reason.SIGNATURE),
    "of another token": (f"{HEADER}.{encoded(SIGNER.claims(sub='admin'))}.{SIGNATURE}", Reason.SIGNATURE),
    "another header": (f"{encoded(SIGNER.header(typ='at+jwt'))}.{CLAIMS}.{SIGNATURE}", Reason.SIGNATURE),
}  # fmt: skip

CLAIM_VALUES: list[tuple[str, dict[str, object], Reason]] = [
    ("iss missing", {"iss": DELETE}, Reason.ISSUER),
    ("iss of somebody else", {"iss": "https://evil.test"}, Reason.ISSUER),
    ("iss with a slash behind", {"iss": "https://issuer.test/"}, Reason.ISSUER),
    ("iss in upper case", {"iss": "https://ISSUER.test"}, Reason.ISSUER),
    ("iss with a space", {"iss": " https://issuer.test"}, Reason.ISSUER),
    ("iss a list", {"iss": ["https://issuer.test"]}, Reason.ISSUER),
    ("iss null", {"iss": None}, Reason.ISSUER),
    ("aud missing", {"aud": DELETE}, Reason.AUDIENCE),
    ("aud of somebody else", {"aud": "other"}, Reason.AUDIENCE),
    ("aud empty", {"aud": ""}, Reason.AUDIENCE),
    ("aud an empty list", {"aud": []}, Reason.AUDIENCE),
    ("aud a prefix", {"aud": "nexus"}, Reason.AUDIENCE),
    ("aud longer", {"aud": "nexus-gateway-2"}, Reason.AUDIENCE),
    ("aud two in one text", {"aud": "nexus-gateway other"}, Reason.AUDIENCE),
    ("aud in another case", {"aud": "Nexus-Gateway"}, Reason.AUDIENCE),
    ("aud null", {"aud": None}, Reason.AUDIENCE),
    ("aud a number", {"aud": 1}, Reason.AUDIENCE),
    ("aud an object", {"aud": {"nexus-gateway": True}}, Reason.AUDIENCE),
    ("aud a list with a number", {"aud": ["nexus-gateway", 1]}, Reason.AUDIENCE),
    ("exp missing", {"exp": DELETE}, Reason.DATES),
    ("exp a text", {"exp": str(NOW + 600)}, Reason.DATES),
    ("exp true", {"exp": True}, Reason.DATES),
    ("exp null", {"exp": None}, Reason.DATES),
    ("exp a list", {"exp": [NOW + 600]}, Reason.DATES),
    ("exp in milliseconds", {"exp": (NOW + 600) * 1000}, Reason.DATES),
    ("exp of 300 digits", {"exp": 10**300}, Reason.DATES),
    ("exp negative", {"exp": -1}, Reason.DATES),
    ("exp zero", {"exp": 0}, Reason.EXPIRED),
    ("exp a minute ago", {"exp": NOW - 60}, Reason.EXPIRED),
    ("exp a minute ago, as a fraction", {"exp": NOW - 60.5}, Reason.EXPIRED),
    ("iat a text", {"iat": str(NOW)}, Reason.DATES),
    ("iat null", {"iat": None}, Reason.DATES),
    ("iat false", {"iat": False}, Reason.DATES),
    ("iat tomorrow", {"iat": NOW + 86_400, "exp": NOW + 90_000}, Reason.NOT_YET_VALID),
    ("nbf a text", {"nbf": "now"}, Reason.DATES),
    ("nbf an object", {"nbf": {}}, Reason.DATES),
    ("nbf in an hour", {"nbf": NOW + 3600}, Reason.NOT_YET_VALID),
    ("sub missing", {"sub": DELETE}, Reason.SUBJECT),
    ("sub empty", {"sub": ""}, Reason.SUBJECT),
    ("sub a number", {"sub": 7}, Reason.SUBJECT),
    ("sub null", {"sub": None}, Reason.SUBJECT),
    ("sub with a newline", {"sub": "a\nb"}, Reason.SUBJECT),
    ("sub of 1001 bytes", {"sub": "x" * 1001}, Reason.SUBJECT),
    ("namespace missing", {"namespace": DELETE}, Reason.NAMESPACE),
    ("namespace empty", {"namespace": ""}, Reason.NAMESPACE),
    ("namespace a list", {"namespace": ["checkout"]}, Reason.NAMESPACE),
    ("namespace a number", {"namespace": 0}, Reason.NAMESPACE),
    ("namespace with NUL", {"namespace": "check\x00out"}, Reason.NAMESPACE),
    ("namespace with an escape", {"namespace": "\x1b[31mcheckout"}, Reason.NAMESPACE),
    ("namespace with a C1 control", {"namespace": "checkout\x85"}, Reason.NAMESPACE),
    ("namespace of 501 two-byte letters", {"namespace": "ü" * 501}, Reason.NAMESPACE),
    ("permissions a number", {"permissions": 1}, Reason.PERMISSIONS),
    ("permissions an object", {"permissions": {"temporal:*": True}}, Reason.PERMISSIONS),
    ("permissions with a list inside", {"permissions": [["temporal:*"]]}, Reason.PERMISSIONS),
    ("permissions true", {"permissions": True}, Reason.PERMISSIONS),
    ("jti a number", {"jti": 1}, Reason.TOKEN_ID),
    ("jti a list", {"jti": ["a"]}, Reason.TOKEN_ID),
    ("bound to a certificate that nobody showed", {"cnf": {"x5t#S256": "A" * 43}}, Reason.BINDING),
    ("bound by a key that cannot be checked", {"cnf": {"jkt": "A" * 43}}, Reason.BINDING),
    ("bound by two things at once", {"cnf": {"x5t#S256": "A" * 43, "jkt": "A" * 43}}, Reason.BINDING),
    ("bound to a number", {"cnf": {"x5t#S256": 1}}, Reason.BINDING),
    ("bound to nothing", {"cnf": {}}, Reason.BINDING),
    ("bound to null", {"cnf": None}, Reason.BINDING),
    ("bound to a text", {"cnf": "x5t#S256"}, Reason.BINDING),
]

CORPUS: list[tuple[str, str, Reason]] = [
    *((f"form: {name}", token, Reason.FORM) for name, token in FORM.items() if token),
    *((f"duplicate: {name}", token, Reason.DUPLICATE_MEMBER) for name, token in DUPLICATES.items()),
    *((f"header: {name}", token, Reason.HEADER) for name, token in HEADERS.items()),
    *((f"algorithm: {name}", token, Reason.ALGORITHM) for name, token in ALGORITHMS.items()),
    *((f"type: {name}", token, Reason.TYPE) for name, token in TYPES.items()),
    *((f"signature: {name}", *case) for name, case in SIGNATURES.items()),
    *((f"claim: {name}", SIGNER.token(**claims), reason) for name, claims, reason in CLAIM_VALUES),
    ("form: too large", SIGNER.token(padding="x" * 9000), Reason.TOO_LARGE),
]


@pytest.fixture(scope="session")
def signer() -> Signer:
    return SIGNER


def test_the_corpus_is_broad() -> None:
    assert len(CORPUS) >= 150
    assert set(Reason) - {reason for _, _, reason in CORPUS} == {
        Reason.MISSING,
        Reason.SEVERAL,
        Reason.SCHEME,
        Reason.LIFETIME,
        Reason.REVOKED,
    }


@pytest.mark.parametrize(("token", "reason"), [case[1:] for case in CORPUS], ids=[case[0] for case in CORPUS])
async def test_a_hostile_token_is_refused(
    authenticator: Authenticator, caplog: pytest.LogCaptureFixture, token: str, reason: Reason
) -> None:
    """The client reads one sentence without a word of the token; the log has the reason, and not the token either."""
    caplog.set_level("INFO")
    caplog.clear()
    with pytest.raises(AuthenticationFailed) as refused:
        await authenticator.authenticate([f"Bearer {token}"])
    error = refused.value
    Auditor().unauthenticated(error, PartialAddress(), Verb.START)
    if error.reason is Reason.SCHEME:
        # Spaces and the like: it does not even get as far as the token.
        assert reason is Reason.FORM
    else:
        assert reason is error.reason
    assert error.type is HandlerErrorType.UNAUTHENTICATED
    assert "\n" not in error.message
    assert len(error.message) < 80
    [line] = caplog.messages
    assert error.reason in line
    assert "\n" not in line
    assert SIGNATURE[:20] not in caplog.text
    assert "svc-checkout" not in caplog.text


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ([], Reason.MISSING),
        ([f"Bearer {GOOD}", f"Bearer {GOOD}"], Reason.SEVERAL),
        ([f"Bearer {GOOD}", ""], Reason.SEVERAL),
        ([""], Reason.SCHEME),
        (["Bearer"], Reason.SCHEME),
        (["Bearer "], Reason.SCHEME),
        ([GOOD], Reason.SCHEME),
        ([f"Basic {GOOD}"], Reason.SCHEME),
        ([f"DPoP {GOOD}"], Reason.SCHEME),
        ([f"Bearer\t{GOOD}"], Reason.SCHEME),
        ([f"Bearer {GOOD} {GOOD}"], Reason.SCHEME),
        ([f"Bearer {GOOD} "], Reason.SCHEME),
        ([f" Bearer {GOOD}"], Reason.SCHEME),
        ([f'Bearer token="{GOOD}"'], Reason.FORM),
    ],
)
async def test_there_must_be_exactly_one_bearer_token(
    authenticator: Authenticator, authorization: list[str], reason: Reason
) -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        await authenticator.authenticate(authorization)
    assert reason is refused.value.reason


async def test_an_unknown_key_and_a_wrong_signature_sound_the_same(authenticator: Authenticator) -> None:
    messages = set()
    for token in (STRANGER.token(), with_header(kid="k2")):
        with pytest.raises(AuthenticationFailed) as refused:
            await authenticator.authenticate([f"Bearer {token}"])
        messages.add(refused.value.message)
    assert messages == {"signature verification failed"}


async def test_a_foreign_name_in_the_log_is_short_and_on_one_line(
    authenticator: Authenticator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    token = SIGNER.token(iss="x\r\nforged line\x1b[2J" + "y" * 500)
    with pytest.raises(AuthenticationFailed) as refused:
        await authenticator.authenticate([f"Bearer {token}"])
    Auditor().unauthenticated(refused.value, PartialAddress(), Verb.START)
    [line] = caplog.messages
    assert "\\r\\nforged line\\x1b[2J" in line
    assert len(line) < 300


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
async def test_a_token_that_differs_in_one_character_is_refused(
    authenticator: Authenticator, data: st.DataObject
) -> None:
    """Also once the good one is remembered: what is remembered is the exact text."""
    await authenticator.authenticate([f"Bearer {GOOD}"])
    position = data.draw(st.integers(0, len(GOOD) - 1))
    change = data.draw(st.sampled_from(["replace", "insert", "delete", "swap case"]))
    character = data.draw(st.sampled_from("ABab01-_.=+/ \n"))
    mutated = {
        "replace": GOOD[:position] + character + GOOD[position + 1 :],
        "insert": GOOD[:position] + character + GOOD[position:],
        "delete": GOOD[:position] + GOOD[position + 1 :],
        "swap case": GOOD[:position] + GOOD[position].swapcase() + GOOD[position + 1 :],
    }[change]
    if mutated.lstrip(" ") == GOOD:  # several blanks may stand behind Bearer (RFC 6750 section 2.1)
        return
    with pytest.raises(AuthenticationFailed):
        await authenticator.authenticate([f"Bearer {mutated}"])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.one_of(
        st.text(max_size=300),
        st.from_regex(r"[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,80}", fullmatch=True),
        st.builds(
            lambda header, claims: f"{encoded(header)}.{encoded(claims)}.AAAA",
            st.dictionaries(st.sampled_from(["alg", "kid", "typ", "x"]), st.text(max_size=5)),
            st.dictionaries(st.sampled_from(["iss", "exp", "x"]), st.recursive(st.none() | st.integers(), st.lists)),
        ),
    )
)
async def test_junk_is_refused_and_raises_nothing_else(authenticator: Authenticator, junk: str) -> None:
    with pytest.raises(AuthenticationFailed):
        await authenticator.authenticate([f"Bearer {junk}"])


async def test_two_issuers_with_one_kid_have_their_own_keys(tmp_path: Path, keys_file: Path) -> None:
    """A key of one issuer must not verify what claims to come from another."""
    other = Signer.create(issuer="https://other.test")
    other_file = tmp_path / "other.json"
    other_file.write_text(key_set(other.jwk()))
    policies = [policy(keys_file), policy(other_file, issuer=other.issuer)]
    forged = SIGNER.token(iss=other.issuer)
    async with Authenticator(policies) as authenticator:
        assert SIGNER.issuer == (await authenticator.authenticate([f"Bearer {SIGNER.token()}"])).issuer
        assert other.issuer == (await authenticator.authenticate([f"Bearer {other.token()}"])).issuer
        with pytest.raises(AuthenticationFailed) as refused:
            await authenticator.authenticate([f"Bearer {forged}"])
    assert refused.value.reason is Reason.SIGNATURE
