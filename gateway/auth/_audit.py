"""Decisions on record: a line of JSON for each, and an id by which a refusal is found again.

The id follows from what was decided and on what grounds, so the same request by the same caller under the same rules
has the same id: the one that ``nexus-gateway explain`` prints is the one in the log.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from typing import TYPE_CHECKING, Any, Final, Self

from gateway.model import Reach

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import TextIOWrapper
    from pathlib import Path
    from types import TracebackType

    from gateway.auth._reasons import AuthenticationFailed, KeysUnavailable
    from gateway.model import Decision, OperationAddress, PartialAddress, Principal, Tenant

    Asked = OperationAddress | PartialAddress

_logger = logging.getLogger("gateway.access")

_PERIOD: Final = 0.05
_ID_CHARACTERS: Final = 16


def decision_id(*grounds: str | None) -> str:
    """The id of a decision on these grounds."""
    digest = hashlib.sha256(b"\0".join(json.dumps(ground).encode() for ground in grounds))
    return digest.hexdigest()[:_ID_CHARACTERS]


def id_of(principal: Principal, asked: Asked, verb: str, decision: Decision, *, anothers: bool = False) -> str:
    """The id of a decision about a verified caller; ``anothers`` where the operation is another tenant's."""
    return decision_id(
        principal.issuer,
        principal.namespace,
        principal.subject,
        *sorted(principal.permissions),
        asked.endpoint,
        asked.service,
        asked.operation,
        verb,
        decision.reason,
        decision.shadow,
        *(["of another tenant"] if anothers else []),
    )


class AuditLog:
    """Writes lines to a file, or to standard output, on a thread of its own; an async context manager.

    ``write`` never waits: when more than ``capacity`` lines are waiting, because a disk is slow or full, the next ones
    are dropped and counted. A file that is moved away is opened anew, as log rotation expects; while it cannot
    be, lines wait.
    """

    def __init__(self, file: Path | None = None, *, capacity: int = 10_000) -> None:
        """Open the file.

        Raises:
            OSError: when it cannot be written.
        """
        self._handler = _handler(file)
        self._capacity = capacity
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._dropped = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit log", daemon=True)

    @property
    def dropped(self) -> int:
        """Lines that were not written."""
        return self._dropped + self._handler.failures

    def write(self, entry: Mapping[str, Any]) -> None:
        """Hand over one line; ``entry`` is what JSON can hold."""
        if len(self._waiting) >= self._capacity:
            self._dropped += 1
            return
        self._waiting.append(entry)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is waiting, for at most three seconds."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 3.0)
        with suppress(OSError):
            # The disk may still be full.
            self._handler.close()

    def _run(self) -> None:
        while not self._stop.wait(_PERIOD):
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        while self._waiting:
            line = json.dumps(self._waiting[0], separators=(",", ":"))
            # A stream of its own: what the process logs, and whether it logs at all, is another matter.
            record = logging.makeLogRecord({"msg": line, "levelno": logging.INFO, "name": "gateway.audit"})
            try:
                self._handler.handle(record)
            except OSError:
                # The file was moved away and cannot be opened anew just now: what waits goes on waiting.
                return
            self._waiting.popleft()


class Auditor:
    """Notes decisions: all of them in the audit log, where there is one, and refusals in the gateway's own log."""

    def __init__(self, log: AuditLog | None = None) -> None:
        self._log = log

    def decided(
        self,
        principal: Principal,
        asked: Asked,
        verb: str,
        decision: Decision,
        *,
        target: str | None = None,
        owner: Tenant | None = None,
        reach: Reach = Reach.OWN,
        trace_id: str | None = None,
        request_id: str | None = None,
        peer: str | None = None,
    ) -> None:
        """Note a decision about a verified caller.

        Args:
            principal: who asked.
            asked: where the operation is; where the request is about many, as far as it says.
            verb: what is to be done with it.
            decision: what came of it.
            target: the namespace that the operation would run in.
            owner: whose operation it is; by default the caller's own.
            reach: of which tenants operations are shown, where the request is about many.
            trace_id: of the request.
            request_id: of the request.
            peer: the address that it came from.
        """
        if decision.allowed and decision.shadow is None and self._log is None:
            return
        anothers = owner not in (None, principal.tenant)
        number = id_of(principal, asked, verb, decision, anothers=anothers)
        if not decision.allowed or decision.shadow is not None:
            word = "allowed" if decision.allowed else "refused"
            shadow = f"; shadow: {decision.shadow}" if decision.shadow else ""
            _logger.info("%s: %s%s", word, decision.reason, shadow, extra={"decision_id": number, "peer": peer})
        self._write(
            decision=number,
            allowed=decision.allowed,
            reason=decision.reason,
            rule=decision.rule,
            shadow=decision.shadow,
            issuer=principal.issuer,
            subject=principal.subject,
            namespace=principal.namespace,
            token_id=principal.token_id,
            target_namespace=target,
            **_request(asked, verb),
            **({"owner": asdict(owner)} if owner is not None and anothers else {}),
            **({"tenants": reach.value} if reach is Reach.ALL else {}),
            trace_id=trace_id,
            request_id=request_id,
            peer=peer,
        )

    def unauthenticated(
        self,
        refused: AuthenticationFailed | KeysUnavailable,
        asked: Asked,
        verb: str,
        *,
        trace_id: str | None = None,
        request_id: str | None = None,
        peer: str | None = None,
    ) -> None:
        """Note that nobody knows who asked."""
        _logger.info(
            "refused a token: %s, issuer %s, kid %s",
            refused.reason,
            refused.issuer,
            refused.key_id,
            extra={"decision_id": refused.decision_id, "peer": peer},
        )
        self._write(
            decision=refused.decision_id,
            allowed=False,
            reason=f"token refused: {refused.reason}",
            **_request(asked, verb),
            trace_id=trace_id,
            request_id=request_id,
            peer=peer,
        )

    def _write(self, **entry: Any) -> None:  # noqa: ANN401 - what JSON can hold
        if self._log is not None:
            self._log.write({"ts": _now(), **entry})


def _request(asked: Asked, verb: str) -> dict[str, str | None]:
    return {"endpoint": asked.endpoint, "service": asked.service, "operation": asked.operation, "verb": str(verb)}


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _FileHandler(WatchedFileHandler):
    failures = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        del record
        self.failures += 1

    def _open(self) -> TextIOWrapper:
        # Who called what is for the owner's eyes, in every file that follows another, too.
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8")


class _OutputHandler(logging.StreamHandler[Any]):
    failures = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        del record
        self.failures += 1


def _handler(file: Path | None) -> _FileHandler | _OutputHandler:
    if file is None:
        return _OutputHandler(sys.stdout)
    return _FileHandler(file)
