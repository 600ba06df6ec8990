"""What a server of the Remote Execution API says that it can do. The one place that imports grpc.

https://github.com/bazelbuild/remote-apis/blob/main/build/bazel/remote/execution/v2/remote_execution.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tfbuild.base.errors import HostError

_PACKAGE = "build.bazel.remote.execution.v2"
_METHOD = f"/{_PACKAGE}.Capabilities/GetCapabilities"
_SHA256 = 1
_LABELS = {"string": 9, "bool": 8, "int32": 5, "message": 11}
# The fields that are read here, as NAME: (number, type, repeated, message).
_Field = tuple[int, str, bool, str]
_MESSAGES: Mapping[str, Mapping[str, _Field]] = {
    "GetCapabilitiesRequest": {"instance_name": (1, "string", False, "")},
    "SemVer": {"major": (1, "int32", False, ""), "minor": (2, "int32", False, "")},
    "CacheCapabilities": {"digest_functions": (1, "int32", True, "")},
    "ExecutionCapabilities": {
        "digest_function": (1, "int32", False, ""),
        "exec_enabled": (2, "bool", False, ""),
    },
    "ServerCapabilities": {
        "cache_capabilities": (1, "message", False, "CacheCapabilities"),
        "execution_capabilities": (2, "message", False, "ExecutionCapabilities"),
        "low_api_version": (4, "message", False, "SemVer"),
        "high_api_version": (5, "message", False, "SemVer"),
    },
}


@dataclass(frozen=True)
class Credentials:
    """The bytes of PEM files, empty where there is none, and the word behind 'Authorization: Bearer'."""

    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""


@dataclass(frozen=True)
class Capabilities:
    """``oldest`` and ``version`` are the first and the last of the API, as MAJOR.MINOR;
    ``executes``: it carries out actions, and not only keeps them."""

    oldest: str
    version: str
    executes: bool
    caches: bool


def ask_capabilities(url: str, instance: str, credentials: Credentials, timeout_s: float) -> Capabilities:
    """Raises :class:`HostError` with what the server, or the way to it, has to say."""
    grpc = _library()
    request, answer = _message("GetCapabilitiesRequest"), _message("ServerCapabilities")
    parts = urlsplit(url)
    host = parts.netloc if parts.port else f"{parts.netloc}:{443 if parts.scheme == 'grpcs' else 80}"
    if parts.scheme == "grpcs":
        tls = grpc.ssl_channel_credentials(
            credentials.ca or None, credentials.key or None, credentials.certificate or None
        )
        channel = grpc.secure_channel(host, tls)
    else:
        channel = grpc.insecure_channel(host)
    metadata = [("authorization", f"Bearer {credentials.token}")] if credentials.token else []
    with channel:
        call = channel.unary_unary(_METHOD, request.SerializeToString, answer.FromString)
        try:
            found = call(request(instance_name=instance), timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            raise HostError(f"{error.code().name.lower()}: {error.details()}") from error
    return Capabilities(
        oldest=_text(found.low_api_version),
        version=_text(found.high_api_version),
        executes=found.execution_capabilities.exec_enabled,
        caches=_SHA256 in found.cache_capabilities.digest_functions,
    )


def _text(version: Any) -> str:
    return f"{version.major}.{version.minor}"


def _library() -> Any:
    try:
        import grpc
    except ImportError as error:
        raise HostError(
            "the Python package grpcio is not here, and nothing else can ask a cluster",
            hint="pip install 'tfbuild[remote]', or from a clone: pip install -e '.[remote]'",
        ) from error
    return grpc


def _message(name: str) -> Any:
    """A type of protobuf's own, of the fields above: no generated code that fits one version of it alone."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="tfbuild-reapi.proto", package=_PACKAGE, syntax="proto3")
    for each, fields in _MESSAGES.items():
        message = file.message_type.add(name=each)
        for field, (number, kind, repeated, of) in fields.items():
            added = message.field.add(
                name=field, number=number, type=_LABELS[kind], label=3 if repeated else 1
            )
            if of:
                added.type_name = f".{_PACKAGE}.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
