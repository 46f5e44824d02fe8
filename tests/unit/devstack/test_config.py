"""The configuration of a development gateway is one that the gateway accepts, and its secrets stay where they are."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.devstack import Port
from gateway.devstack._config import child_environ, development_config, write_config
from gateway.settings import load_settings, token_keys


@pytest.fixture
def ports() -> Iterator[tuple[Port, Port]]:
    """Two ports."""
    with Port() as port, Port() as admin_port:
        yield port, admin_port


def config_at(directory: Path, ports: tuple[Port, Port], services: list[str]) -> Path:
    """A configuration for ``services``, written."""
    config = development_config(
        port=ports[0],
        admin_port=ports[1],
        temporal_address="127.0.0.1:7233",
        namespace="orders",
        services=services,
    )
    return write_config(directory, config)


def test_the_gateway_accepts_it(tmp_path: Path, ports: tuple[Port, Port]) -> None:
    """As it stands, with the environment that goes with it."""
    settings = load_settings(config_at(tmp_path, ports, ["orders.v1"]), {})
    assert (ports[0].number, ports[1].number) == (settings.server.port, settings.server.admin_port)
    assert 1 == len(token_keys(settings, child_environ(tmp_path, collector_url="http://c", service_name="s")))
    assert {"orders", "echo"} == settings.endpoints.keys()


def test_a_plugin_that_somebody_installed_can_be_tried(tmp_path: Path, ports: tuple[Port, Port]) -> None:
    """Its services are behind an endpoint of their own."""
    settings = load_settings(config_at(tmp_path, ports, ["orders.v1", "mine.v2", "mine.v1"]), {})
    assert ("mine.v1", "mine.v2") == settings.endpoints["plugins"].services
    assert "plugins" == settings.endpoints["plugins"].task_queue


def test_secrets_are_made_once_and_are_the_owners_alone(tmp_path: Path, ports: tuple[Port, Port]) -> None:
    """A second start in the same directory opens the tokens of the first."""
    directory = tmp_path / "dev.db.gateway"
    for _ in range(2):
        config_at(directory, ports, [])
        child_environ(directory, collector_url="http://c", service_name="s")
    secrets = [directory / "token-key", directory / "dev-signing-key.json"]
    assert [0o600, 0o600] == [stat.S_IMODE(path.stat().st_mode) for path in secrets]
    before = [path.read_text() for path in secrets]
    config_at(directory, ports, [])
    child_environ(directory, collector_url="http://c", service_name="s")
    assert before == [path.read_text() for path in secrets]
    assert 0o700 == stat.S_IMODE(directory.stat().st_mode)


def test_the_users_own_settings_stay_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set for another gateway or exporter does not reach this one."""
    monkeypatch.setenv("NEXUS_GATEWAY__SERVER__PORT", "1")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("COLOUR", "red")
    environ = child_environ(tmp_path, collector_url="http://127.0.0.1:4318", service_name="worker")
    assert "NEXUS_GATEWAY__SERVER__PORT" not in environ
    assert "OTEL_TRACES_EXPORTER" not in environ
    assert ("red", "http://127.0.0.1:4318", "worker") == (
        environ["COLOUR"],
        environ["OTEL_EXPORTER_OTLP_ENDPOINT"],
        environ["OTEL_SERVICE_NAME"],
    )
