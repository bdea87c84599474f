"""The container: requests to a Docker engine, and the compose file."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from opensearch.node import container
from opensearch.node.launch import free_ports
from opensearch.node.pinned import VERSION
from vitrine.cli import main
from vitrine.errors import NodeError

REPOSITORY = Path(__file__).parents[1]


class Engine(ThreadingHTTPServer):
    """The calls of Docker's HTTP interface that Vitrine makes, over one container in memory.

    A started container's published port is served by the same process with a healthy cluster's answer.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.images: set[str] = set()
        self.container: dict[str, Any] | None = None
        self.running, self.recipe, self.dies = False, b"", False
        self.inside: ThreadingHTTPServer | None = None
        super().__init__(("127.0.0.1", 0), Docker)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        bindings = (self.container or {})["HostConfig"]["PortBindings"]
        return int(bindings["9200/tcp"][0]["HostPort"])

    def start_container(self) -> None:
        self.running = not self.dies
        if self.running:
            self.inside = ThreadingHTTPServer(("127.0.0.1", self.port), Healthy)
            threading.Thread(target=self.inside.serve_forever, args=(0.02,), daemon=True).start()

    def stop_container(self) -> None:
        self.running = False
        if self.inside is not None:
            self.inside.shutdown()
            self.inside.server_close()
            self.inside = None


class Silent(BaseHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass

    def give(self, status: int, body: object) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Healthy(Silent):
    def do_GET(self) -> None:
        self.give(200, {"status": "green", "timed_out": False})


class Docker(Silent):
    server: Engine

    def handle_one(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("transfer-encoding") == "chunked":
            raw = self.chunks()
        path = re.sub(r"^/v1\.\d+", "", self.path.split("?")[0])
        self.give(*self.reply(f"{self.command} {path}", raw))

    do_GET = do_POST = do_DELETE = handle_one  # noqa: N815

    def chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def reply(self, call: str, raw: bytes) -> tuple[int, object]:
        engine = self.server
        if call == "GET /version":
            return 200, {"ApiVersion": "1.44", "Version": "27"}
        if call.startswith("GET /images/"):
            name = call.removeprefix("GET /images/").removesuffix("/json")
            return (
                (200, {"Id": "sha256:1", "RepoTags": [name]})
                if name in engine.images
                else (404, {"message": f"No such image: {name}"})
            )
        if call == "POST /build":
            engine.recipe = raw
            engine.images |= {f"{container.NAME}:{VERSION}", "1"}
            return 200, b'{"stream":"Successfully built 1\\n"}\r\n{"aux":{"ID":"sha256:1"}}\r\n'
        if call == "POST /containers/create":
            engine.container = json.loads(raw)
            return 201, {"Id": "c1", "Warnings": []}
        if call.startswith("DELETE /containers/"):
            engine.container = None
            return 204, b""
        if engine.container is None:
            return 404, {"message": f"No such container: {container.NAME}"}
        if call.endswith("/start"):
            engine.start_container()
            return 204, b""
        if call.endswith("/stop"):
            engine.stop_container()
            return 204, b""
        if call.endswith("/logs"):
            line = b"[1]: max virtual memory areas vm.max_map_count [65530] is too low\n"
            return 200, bytes([1, 0, 0, 0]) + len(line).to_bytes(4, "big") + line
        return 200, self.inspected()

    def inspected(self) -> dict[str, object]:
        engine = self.server
        ports = (
            {"9200/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(engine.port)}]} if engine.running else {}
        )
        state = "running" if engine.running else "exited"
        return {
            "Id": "c1",
            "Name": f"/{container.NAME}",
            "State": {"Status": state, "Running": engine.running},
            "NetworkSettings": {"Ports": ports},
            "Config": {"Image": "sha256:1", "Labels": {}, "Tty": False},
            "Image": "sha256:1",
        }


@pytest.fixture
def docker_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    engine = Engine()
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{engine.server_port}")
    monkeypatch.delenv("DOCKER_TLS_VERIFY", raising=False)
    yield engine
    engine.stop_container()
    engine.shutdown()
    engine.server_close()


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["node", *arguments, "--docker"])
    return result.exit_code, result.stdout, result.stderr


def test_up_status_down_through_a_docker_engine(docker_engine: Engine) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    code, output, progress = run("up", "--port", str(port), "--heap", "2g")
    assert (code, output) == (0, f"OpenSearch is ready at {url} (container {container.NAME})\n")
    assert "building the image" in progress
    assert f"FROM opensearchproject/opensearch:{VERSION}".encode() in docker_engine.recipe

    created = docker_engine.container
    assert created is not None
    assert "OPENSEARCH_JAVA_OPTS=-Xms2g -Xmx2g" in created["Env"]
    assert "discovery.type=single-node" in created["Env"]
    assert created["HostConfig"]["PortBindings"] == {
        "9200/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
    }
    assert created["HostConfig"]["Binds"] == [f"{container.NAME}:/usr/share/opensearch/data:rw"]

    again = run("up", "--port", str(port))
    assert again[:2] == (0, f"OpenSearch {VERSION} already runs at {url} (container {container.NAME})\n")
    code, output, _ = run("status", "--json")
    assert (code, json.loads(output)["url"], json.loads(output)["health"]) == (0, url, "green")
    assert run("down")[:2] == (0, "stopped\n")
    assert docker_engine.container is None
    assert run("down")[:2] == (0, "no container runs\n")
    code, output, _ = run("status")
    assert (code, f"{container.NAME} does not exist" in output) == (1, True)


def test_a_stopped_container_is_created_again_with_the_requested_settings(docker_engine: Engine) -> None:
    first, second = free_ports(2)
    assert run("up", "--port", str(first))[0] == 0
    docker_engine.stop_container()
    code, output, progress = run("up", "--port", str(second))
    assert (code, f"ready at http://127.0.0.1:{second}" in output) == (0, True)
    assert "building the image" not in progress


def test_a_container_that_ends_is_an_error_with_its_last_line(docker_engine: Engine) -> None:
    docker_engine.dies = True
    code, _, error = run("up", "--port", str(free_ports(1)[0]))
    assert code == 2
    assert (
        "error: the container ended (exited): [1]: max virtual memory areas vm.max_map_count [65530] is too low"
        in error
    )


def test_without_a_docker_engine_the_command_without_docker_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(NodeError, match="no Docker engine answers: start Docker, or leave out --docker"):
        container.up(9200, "1g", print)


# --- docker-compose.yml


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    compose: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    return compose


def test_compose_starts_engine_and_service_and_secures_them_in_a_profile(compose: dict[str, Any]) -> None:
    services = compose["services"]
    plain = {name for name, service in services.items() if "profiles" not in service}
    assert plain == {"opensearch", "rerank"}
    assert {name: service["profiles"] for name, service in services.items() if name not in plain} == {
        "opensearch-secure": ["secure"],
        "rerank-secure": ["secure"],
    }
    for name, service in services.items():
        assert {"test", "interval", "timeout", "retries"} <= set(service["healthcheck"]), name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
    for name in ("rerank", "rerank-secure"):
        engine = name.replace("rerank", "opensearch")
        assert services[name]["depends_on"] == {engine: {"condition": "service_healthy"}}
        assert services[name]["command"] == ["vitrine", "serve", "--host", "0.0.0.0", "--port", "8060"]
    named = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert named == set(compose["volumes"])


def test_only_the_plain_engine_has_no_users(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["opensearch"]["environment"]["DISABLE_SECURITY_PLUGIN"] == "true"
    secure = services["opensearch-secure"]["environment"]
    assert not [name for name in secure if name in ("DISABLE_SECURITY_PLUGIN", "DISABLE_INSTALL_DEMO_CONFIG")]
    assert services["rerank-secure"]["environment"]["OPENSEARCH_URL"].startswith("https://")


def test_compose_and_the_docker_option_agree(compose: dict[str, Any]) -> None:
    service = compose["services"]["opensearch"]
    assert service["image"] == f"{container.NAME}:{VERSION}"
    assert (REPOSITORY / service["build"]["context"] / service["build"]["dockerfile"]).read_text() == (
        container.DOCKERFILE.read_text()
    )
    assert f"opensearchproject/opensearch:{VERSION}" in container.DOCKERFILE.read_text()
    ours, theirs = container.ENVIRONMENT, service["environment"]
    differing = {name for name in ours if ours[name] != theirs.get(name)}
    assert differing == {
        "plugins.ml_commons.trusted_connector_endpoints_regex",
        "cluster.routing.allocation.disk.threshold_enabled",
    }
    allowed = theirs["plugins.ml_commons.trusted_connector_endpoints_regex"].replace("$$", "$")
    assert re.match(allowed, "http://rerank:8060/v1/hook/products")
    assert not re.match(allowed, "http://rerank.example:8060/")


def test_the_service_image_copies_what_it_needs(compose: dict[str, Any]) -> None:
    recipe = (REPOSITORY / "Dockerfile").read_text()
    sources = [word for line in re.findall(r"^COPY (.*) \S+$", recipe, re.M) for word in line.split()]
    included = (REPOSITORY / ".dockerignore").read_text().split()
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert f"!{source}" in included, source
