"""The command line: help, exit codes, and one line for whatever is wrong."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import jwt
import pytest
import yaml

from gateway.auth import generate_dev_issuer
from gateway.cli import main
from gateway.cli._main import _run

COMMANDS = ["demo", "dev", "serve", "worker", "check", "explain", "policy", "token", "callbacks", "setup", "config"]
CONFIG = {
    "issuers": [
        {
            "issuer": "https://issuer.test",
            "audiences": ["nexus-gateway"],
            "algorithms": ["ES256"],
            "jwks_file": "jwks.json",
            "dev_signing_key_file": "dev-signing-key.json",
        }
    ],
    "engines": {"main": {"address": "127.0.0.1:7233"}},
    "endpoints": {
        "orders": {
            "engine": "main",
            "namespace": "orders",
            "task_queue": "orders",
            "services": ["orders.v1"],
            "allow": [
                {"namespaces": ["checkout"], "operations": ["orders.v1/*"], "verbs": ["start", "result", "cancel"]},
                {"subjects": ["auditor-*"], "operations": ["*/status"]},
            ],
        },
        "echo": {"engine": "main", "namespace": "orders", "task_queue": "echo", "services": ["Ser/vic e"]},
    },
    "tokens": {"keys": [{"id": "k1", "secret_env": "NEXUS_GATEWAY_TOKEN_KEY"}]},
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that is in order, with the keys of its issuer."""
    generate_dev_issuer(tmp_path)
    return write(tmp_path, CONFIG)


def write(directory: Path, content: object) -> Path:
    """A configuration file."""
    path = directory / "gateway.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), ["config", "schema"]], ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is typed, --help says what it is for and shows how it is used."""
    assert 0 == main([*command, "--help"])
    shown = capsys.readouterr().out
    assert f"usage: {' '.join(['nexus-gateway', *command])} " in shown
    assert "\nexample:\n  nexus-gateway " in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nexus-gateway: the following arguments are required: COMMAND"),
        (["frobnicate"], "nexus-gateway: argument COMMAND: invalid choice: 'frobnicate'"),
        (["serve"], "nexus-gateway serve: the following arguments are required: --config"),
        (["serve", "--config", "x", "--port", "70000"], "'70000' is not a port from 0 to 65535"),
        (["serve", "--config", "x", "--port", "٣"], "is not a port"),
        (["serve", "--config", "x", "--processes", "0"], "'0' is not a number of processes from 1"),
        (["token", "--config", "x", "--subject", "a"], "the following arguments are required: --namespace"),
        (["token", "--config", "x", "--subject", "a", "--namespace", "b", "--ttl", "90"], "a duration with its unit"),
        (["token", "--config", "x", "--subject", "a", "--namespace", "b", "--ttl", "0s"], "longer than zero"),
        (["token", "--config", "x", "--subject", ""], "argument --subject: must be 1 to 1000 bytes of text"),
        (["token", "--config", "x", "--namespace", "a\nb"], "argument --namespace: must be 1 to 1000 bytes of text"),
        (["token", "--config", "x", "--permission", "x"], "argument --permission: 'x' covers nothing; write nexus:"),
        (["token", "--config", "x", "--permission", "nexus:a/b/c:frob"], "'nexus:a/b/c:frob' covers nothing"),
        (["dev", "--temporal-address", "a:1", "--db-file", "f"], "not allowed with argument --temporal-address"),
        (["config"], "nexus-gateway config: the following arguments are required: TOPIC"),
        (["check", "--conf", "x"], "the following arguments are required: --config"),
    ],
)
def test_wrong_usage_is_exit_code_two_and_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says what is wrong and where help is."""
    assert 2 == main(arguments)
    captured = capsys.readouterr()
    assert "" == captured.out
    assert message in captured.err
    assert captured.err.endswith("--help)\n")
    assert 1 == captured.err.count("\n")


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    """As everywhere."""
    assert 0 == main(["--version"])
    assert capsys.readouterr().out.startswith("nexus-gateway ")


def test_python_m_gateway_is_the_same_command() -> None:
    """Both names lead to one main."""
    shown = subprocess.run(
        [sys.executable, "-m", "gateway", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.startswith("usage: nexus-gateway ")


@pytest.mark.parametrize("command", ["serve", "worker", "check"])
def test_a_missing_file_is_one_line(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the file and says what is wrong with it; there is no traceback."""
    missing = tmp_path / "missing.yaml"
    assert 1 == main([command, "--config", str(missing)])
    assert f"nexus-gateway: {missing}: cannot be read: No such file or directory\n" == capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "check"])
def test_each_fault_of_the_configuration_is_a_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All faults at once, each with file and key."""
    path = write(tmp_path, {**CONFIG, "sever": {}, "engines": {"main": {"address": "nowhere"}}})
    assert 1 == main([command, "--config", str(path)])
    lines = capsys.readouterr().err.splitlines()
    assert 2 == len(lines)
    assert all(line.startswith(f"nexus-gateway: {path}: ") for line in lines)
    assert any("sever" in line and "server" in line for line in lines)
    assert any("engines.main.address" in line for line in lines)


def test_check_says_who_may_do_what(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every operation that is mounted, and for each the rules that concern it."""
    monkeypatch.setenv("NEXUS_GATEWAY_TOKEN_KEY", "A" * 43)
    assert 0 == main(["check", "--config", str(config)])
    captured = capsys.readouterr()
    assert "" == captured.err
    every_verb = "start, cancel, result, describe, list, terminate, signal, retry"
    assert (
        "endpoint orders: engine main, namespace orders, task queue orders\n"
        "  orders.v1/approve  start, cancel, result: namespaces checkout\n"
        "  orders.v1/process  start, cancel, result: namespaces checkout\n"
        "  orders.v1/quote    start, cancel, result: namespaces checkout\n"
        "  orders.v1/status   start, cancel, result: namespaces checkout\n"
        f"                     {every_verb}: subjects auditor-*\n"
        "endpoint echo: engine main, namespace orders, task queue echo\n"
        "  Ser/vic e/größe?#%2F   nobody\n"
        "  Ser/vic e/op/er ation  nobody\n"
    ) == captured.out


def test_check_says_who_may_not_and_which_rules_only_watch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXUS_GATEWAY_TOKEN_KEY", "A" * 43)
    generate_dev_issuer(tmp_path)
    changed = json.loads(json.dumps(CONFIG))
    changed["endpoints"]["orders"]["allow"] = [
        {"claims": {"team": "payments", "realm": {"roles": ["a"]}}, "verbs": ["start"], "shadow": True}
    ]
    changed["endpoints"]["orders"]["deny"] = [{"subjects": ["mallory"], "operations": ["orders.v1/process"]}]
    changed["access"] = {"stops_file": "stops.yaml"}
    assert 0 == main(["check", "--config", str(write(tmp_path, changed))])
    printed = capsys.readouterr()
    assert (
        "  orders.v1/process  start: claim team payments; claim realm.roles a (shadow: decides nothing)\n"
        in printed.out
    )
    assert "not start, cancel, result, describe, list, terminate, signal, retry: subjects mallory\n" in printed.out
    assert 1 == printed.out.count("mallory")
    assert "access.stops_file: there is no file" in printed.err


def test_check_says_which_rules_reach_every_tenant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what they let do there, which is not all that they let do with a caller's own."""
    monkeypatch.setenv("NEXUS_GATEWAY_TOKEN_KEY", "A" * 43)
    changed = json.loads(json.dumps(CONFIG))
    changed["endpoints"]["orders"]["allow"] = [
        {"namespaces": ["ops"], "verbs": ["start", "list", "terminate"], "tenants": "all"}
    ]
    assert 0 == main(["check", "--config", str(write(tmp_path, changed))])
    expected = (
        "  orders.v1/process  start, list, terminate: namespaces ops (operations of every tenant: list, terminate)"
    )
    assert expected in capsys.readouterr().out.splitlines()


def test_check_names_what_is_wrong_in_the_files_that_take_access_away(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gateway would not start with them."""
    (config.parent / "stops.yaml").write_text("stops: [{opperations: ['*']}]\n")
    (config.parent / "revocations.yaml").write_text("revocations: [{}]\n")
    content = yaml.safe_load(config.read_text())
    content["access"] = {"stops_file": "stops.yaml", "revocations_file": "revocations.yaml"}
    assert 1 == main(["check", "--config", str(write(config.parent, content))])
    captured = capsys.readouterr()
    of_stops, of_revocations = captured.err.splitlines()
    assert "" == captured.out
    assert f"nexus-gateway: {config.parent}/stops.yaml: stops.0.opperations: unknown key" in of_stops
    assert of_revocations.startswith(f"nexus-gateway: {config.parent}/revocations.yaml: revocations.0: needs at least")


def test_check_names_keys_and_certificates_that_are_there_and_of_no_use(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without keys of one issuer a gateway starts, and without its certificate it does not."""
    content = yaml.safe_load(config.read_text())
    (config.parent / "jwks.json").write_text("{")
    assert 0 == main(["check", "--config", str(config)])
    expected = f"warning: {config}: issuers.0.jwks_file: the key set is not JSON"
    assert expected in capsys.readouterr().err.splitlines()
    (config.parent / "server.pem").write_text("no certificate")
    content["server"] = {"tls": {"cert_file": "server.pem", "key_file": "server.pem"}}
    assert 1 == main(["check", "--config", str(write(config.parent, content))])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"nexus-gateway: {config}: server.tls: cert_file, key_file or client_ca_file: ")


def test_check_warns_of_what_depends_on_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that is not here may well be there."""
    engine = {"address": "127.0.0.1:7233", "api_key_env": "THE_API_KEY", "tls": {"ca_file": "ca.pem"}}
    config = CONFIG | {
        "server": {"tls": {"cert_file": "server.pem", "key_file": "server.key"}},
        "engines": {"main": engine},
        "callbacks": {"signing_keys": [{"id": "s1", "seed_env": "THE_SEED"}]},
    }
    for variable in ("NEXUS_GATEWAY_TOKEN_KEY", "THE_API_KEY", "THE_SEED"):
        monkeypatch.delenv(variable, raising=False)
    path = write(tmp_path, config)
    assert 0 == main(["check", "--config", str(path)])
    lines = capsys.readouterr().err.splitlines()
    files = {
        "server.tls.cert_file": "server.pem",
        "server.tls.key_file": "server.key",
        "issuers.0.jwks_file": "jwks.json",
        "issuers.0.dev_signing_key_file": "dev-signing-key.json",
        "engines.main.tls.ca_file": "ca.pem",
    }
    of_files = [f"warning: {path}: {key}: there is no file {tmp_path / name}" for key, name in files.items()]
    assert of_files == lines[: len(files)]
    for variable, line in zip(("THE_API_KEY", "NEXUS_GATEWAY_TOKEN_KEY", "THE_SEED"), lines[len(files) :], strict=True):
        assert line.startswith(f"warning: environment: {variable}: is not set")


def test_check_names_the_key_of_a_service_that_nobody_offers(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the file it stands in."""
    content = yaml.safe_load(config.read_text())
    content["endpoints"]["orders"]["services"] = ["orders.v2"]
    assert 1 == main(["check", "--config", str(write(config.parent, content))])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"nexus-gateway: {config}: endpoints.orders.services: 'orders.v2' is not installed")


def test_check_names_a_plugin_that_does_not_load(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its place in the configuration and the reason."""
    content = yaml.safe_load(config.read_text())
    content["plugins"] = ["no_such_module:plugin"]
    assert 1 == main(["check", "--config", str(write(config.parent, content))])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"nexus-gateway: {config}: plugin 'no_such_module:plugin' (plugins.0 of the configuration)")
    assert "No module named 'no_such_module'" in line


@pytest.mark.parametrize("command", ["check", "worker"])
def test_what_no_worker_takes_is_a_fault_of_the_plugin(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Whoever checks a configuration learns it, and not the worker in the night."""
    (tmp_path / "undecorated_plugin.py").write_text(
        "from temporalio import workflow\n"
        "from gateway.plugins import HandlerPlugin\n"
        "@workflow.defn\n"
        "class Base:\n"
        "    @workflow.run\n"
        "    async def run(self) -> None: ...\n"
        "class Derived(Base):\n"
        "    pass\n"
        "async def charge() -> None: ...\n"
        "plugin = HandlerPlugin(services=[], workflows=[Base, Derived], activities=[charge])\n"
    )
    content = yaml.safe_load(config.read_text())
    content["plugins"] = ["undecorated_plugin:plugin"]
    monkeypatch.syspath_prepend(tmp_path)
    assert 1 == main([command, "--config", str(write(tmp_path, content))])
    lines = capsys.readouterr().err.splitlines()
    named = "plugin 'undecorated_plugin:plugin' (plugins.0 of the configuration): its "
    [workflow, activity] = [line.partition(named)[2] for line in lines if named in line]
    assert workflow.startswith("workflow Derived is none; decorate the class itself with @temporalio.workflow.defn")
    assert activity.startswith("activity charge is none; decorate it with @temporalio.activity.defn")


def test_a_plugin_may_lie_in_the_current_directory(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first plugin somebody writes is not packaged yet."""
    (tmp_path / "my_plugin.py").write_text(
        "from nexusrpc.handler import service_handler, sync_operation, StartOperationContext\n"
        "from gateway.plugins import HandlerPlugin\n"
        "@service_handler(name='mine.v1')\n"
        "class Mine:\n"
        "    @sync_operation\n"
        "    async def hello(self, ctx: StartOperationContext, name: str) -> str:\n"
        "        return name\n"
        "plugin = HandlerPlugin(services=[Mine()])\n"
    )
    content = yaml.safe_load(config.read_text())
    content["plugins"] = ["my_plugin:plugin"]
    content["endpoints"]["echo"]["services"] = ["mine.v1"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    assert 0 == main(["check", "--config", str(write(tmp_path, content))])
    assert "  mine.v1/hello  nobody\n" in capsys.readouterr().out


def test_token_mints_what_the_gateway_accepts(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Subject, namespace, permissions and lifetime are those that were asked for."""
    permissions = ["nexus:orders/*/*:start", "orders:read"]
    given = [argument for permission in permissions for argument in ("--permission", permission)]
    who = ["--subject", "alice", "--namespace", "checkout"]
    assert 0 == main(["token", "--config", str(config), *who, *given, "--ttl", "90s"])
    key = jwt.PyJWKSet.from_json((config.parent / "jwks.json").read_text()).keys[0]
    claims = jwt.decode(capsys.readouterr().out.strip(), key, algorithms=["ES256"], audience="nexus-gateway")
    assert ("https://issuer.test", "alice", "checkout") == (claims["iss"], claims["sub"], claims["namespace"])
    assert permissions == claims["permissions"]
    assert 90 == claims["exp"] - claims["iat"]


def test_token_refuses_without_a_signing_key(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody can mint with a production configuration."""
    content = yaml.safe_load(config.read_text())
    del content["issuers"][0]["dev_signing_key_file"]
    path = write(config.parent, content)
    assert 1 == main(["token", "--config", str(path), "--subject", "alice", "--namespace", "checkout"])
    captured = capsys.readouterr()
    assert "" == captured.out
    assert "dev_signing_key_file" in captured.err
    assert 1 == captured.err.count("\n")


def test_config_schema_is_a_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """For editors."""
    assert 0 == main(["config", "schema"])
    schema = json.loads(capsys.readouterr().out)
    assert {"server", "issuers", "engines", "endpoints", "tokens"} <= schema["properties"].keys()


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("OTEL_TRACES_EXPORTER=no-such-exporter", "'no-such-exporter' is not supported, use otlp or none"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317", "must be an http:// or https:// URL"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "'grpc' is not supported, use http/protobuf"),
        ("NEXUS_GATEWAY_LOG_LEVEL=loud", "must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ],
)
def test_a_variable_that_asks_for_what_cannot_be_done_is_one_line(
    setting: str, fault: str, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the variable, and nothing has been started."""
    variable, _, value = setting.partition("=")
    monkeypatch.setenv("NEXUS_GATEWAY_TOKEN_KEY", "A" * 43)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv(variable, value)
    assert 1 == main(["worker", "--config", str(config)])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"nexus-gateway: environment: {variable}: {fault}")


@pytest.mark.parametrize("debug", [False, True])
def test_an_unexpected_error_is_one_line_with_a_hint(debug: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback is for those who ask for it."""

    def run(_arguments: Namespace) -> int:
        raise LookupError("what nobody\nthought of")

    assert 1 == _run(Namespace(run=run, debug=debug))
    lines = capsys.readouterr().err.splitlines()
    assert "nexus-gateway: unexpected error: LookupError: what nobody thought of (--debug shows where)" == lines[-1]
    assert debug == ("Traceback (most recent call last):" in lines)
    assert debug == (len(lines) > 1)


def test_output_that_nobody_reads_is_no_traceback(config: Path) -> None:
    """``nexus-gateway check | head -0`` just ends."""
    read, write_end = os.pipe()
    os.close(read)
    with os.fdopen(write_end, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", "config", "schema"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert 1 == ended.returncode
    assert "" == ended.stderr
