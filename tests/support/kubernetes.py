"""What a node does with the container of a manifest, as words of ``docker run``: tests have no cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from socket import create_connection
from typing import Any

import yaml


@dataclass(frozen=True)
class Pod:
    """The container of a Deployment, and the ConfigMaps that lie in the same file."""

    container: Mapping[str, Any]
    volumes: Mapping[str, Mapping[str, Any]]
    security: Mapping[str, Any]
    configs: Mapping[str, Mapping[str, str]]

    @staticmethod
    def read(text: str) -> Pod:
        documents = list(yaml.safe_load_all(text))
        (deployment,) = (each for each in documents if each["kind"] == "Deployment")
        spec = deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        return Pod(
            container,
            {each["name"]: each for each in spec.get("volumes", ())},
            {**spec.get("securityContext", {}), **container.get("securityContext", {})},
            {each["metadata"]["name"]: each["data"] for each in documents if each["kind"] == "ConfigMap"},
        )

    def words(self, folder: Path) -> list[str]:
        """For ``docker run``; files of ConfigMaps are written to ``folder``."""
        # "command" takes the place of the image's entry program and of its arguments, "args" of those alone.
        program, *rest = self.container.get("command", [""])
        entry = [f"--entrypoint={program}"] if program else []
        return [
            *entry,
            *(f"--env={each['name']}={each['value']}" for each in self.container.get("env", ())),
            *(f"--publish=127.0.0.1::{each['containerPort']}" for each in self.container["ports"]),
            *(f"--volume={self._source(each['name'], folder)}:{each['mountPath']}" for each in self._mounts),
            *self._limits(),
            self.container["image"],
            *rest,
            *self.container.get("args", ()),
        ]

    @property
    def _mounts(self) -> list[Mapping[str, str]]:
        return list(self.container.get("volumeMounts", ()))

    def _source(self, name: str, folder: Path) -> str:
        volume = self.volumes[name]
        if "hostPath" in volume:
            return str(volume["hostPath"]["path"])
        # A folder of its own, which every user can read.
        files = folder / name
        files.mkdir()
        for file, text in self.configs[volume["configMap"]["name"]].items():
            (files / file).write_text(text)
        return str(files)

    def _limits(self) -> Iterator[str]:
        security = self.security
        if "runAsUser" in security:
            yield f"--user={security['runAsUser']}:{security.get('runAsGroup', 0)}"
        if security.get("readOnlyRootFilesystem"):
            yield "--read-only"
        if security.get("allowPrivilegeEscalation") is False:
            yield "--security-opt=no-new-privileges"
        yield from (f"--cap-drop={each}" for each in security.get("capabilities", {}).get("drop", ()))
        if memory := self.container.get("resources", {}).get("limits", {}).get("memory"):
            yield f"--memory={memory.removesuffix('i')}"

    def failing(self, port_on_host: Mapping[int, int]) -> list[str]:
        """The names of the probes that fail now."""
        named = {name: self.container[name] for name in ("readinessProbe", "livenessProbe")}
        return [name for name, probe in named.items() if not _passes(probe, port_on_host)]


def _passes(probe: Mapping[str, Any], port_on_host: Mapping[int, int]) -> bool:
    if "tcpSocket" in probe:
        create_connection(("127.0.0.1", port_on_host[probe["tcpSocket"]["port"]]), timeout=10).close()
        return True
    connection = HTTPConnection("127.0.0.1", port_on_host[probe["httpGet"]["port"]], timeout=10)
    connection.request("GET", probe["httpGet"]["path"])
    return 200 <= connection.getresponse().status < 400
