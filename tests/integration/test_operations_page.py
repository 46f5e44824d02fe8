"""docs/operations.md says what there is, and its commands run as they stand."""

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest
from aiohttp import ClientSession

from gateway.devstack import Stack
from gateway.operations import STATUS

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text()
UNTIL_IT_WAITS = """
until curl -sS -H "$A" -H "$T" "$API/operations/describe" | grep -q '"awaiting":\\["approve"'; do sleep 0.2; done
"""
PRELUDE = 'set -eu\ncurl() { command curl --fail-with-body --max-time 20 "$@"; echo >&2; }\n'


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs curl and bash")
async def test_the_commands_of_the_page_run_from_top_to_bottom(stack: Stack) -> None:
    """Each is answered with success."""
    script = PRELUDE + "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    # A reader takes longer than that; where the approval is there before it is asked for, there is no progress to tell.
    before, approve, after = script.partition('curl -sS -X POST -H "$A" -H "$T" "$API/operations/update/approve"')
    script = before + UNTIL_IT_WAITS + approve + after
    environ = {**os.environ, "GATEWAY": stack.gateway.url, "TOKEN": stack.token()}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-o", "pipefail", "-c", script),
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert 0 == process.returncode, output.decode()
    events = set(re.findall(r"^event: (\w+)$", output.decode(), re.MULTILINE))
    assert {"started", "progress", "succeeded"} <= events
    assert [] == [event for event in events if f"`{event}`" not in PAGE]


async def test_the_page_has_every_path_parameter_and_answer_of_the_api(stack: Stack, http: ClientSession) -> None:
    async with http.get(f"{stack.gateway.url}/openapi.json") as response:
        document = await response.json()
    for path, item in document["paths"].items():
        if not path.startswith("/api/v1/"):
            continue
        shown = path.rpartition("/operations/")[2].removeprefix("/api/v1").replace("{service}", "orders.v1")
        assert shown in PAGE, path
        names = [parameter["name"] for method in item.values() for parameter in method.get("parameters", [])]
        assert [] == [name for name in names if name not in PAGE], path


def test_the_page_has_every_code_beside_its_status() -> None:
    rows = {status: line for line in PAGE.splitlines() for status in re.findall(r"^\| (\d{3}) \|", line)}
    assert [] == [code for code, status in STATUS.items() if f"`{code}`" not in rows[str(status)]]
