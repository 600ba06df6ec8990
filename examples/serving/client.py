"""Asks a model server for a prediction, through REST and through gRPC.

    pip install grpcio-tools
    python client.py --model half_plus_two '{"x": [1.0, 2.0, 5.0]}'

REST needs nothing but Python. gRPC needs the package above, and no TensorFlow: the messages are in
predict.proto. The inputs are named as in the model's signature, which the server tells:

    curl localhost:8501/v1/models/half_plus_two/metadata
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import struct
import sys
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
_METHOD = "/tensorflow.serving.PredictionService/Predict"
# The field of a Tensor with its values, by type, and what unpacks tensor_content.
_FIELDS = {
    "DT_FLOAT": ("float_val", "f"),
    "DT_DOUBLE": ("double_val", "d"),
    "DT_INT32": ("int_val", "i"),
    "DT_INT64": ("int64_val", "q"),
    "DT_BOOL": ("bool_val", "?"),
    "DT_STRING": ("string_val", ""),
}


class Failed(Exception):
    """The server refused, or cannot be reached; the message says what it said."""


class Rest:
    """One connection to the REST port, kept open between requests."""

    def __init__(self, host: str, port: int = 8501, timeout_s: float = 60.0) -> None:
        self._where = f"{host}:{port}"
        self._connection = HTTPConnection(host, port, timeout=timeout_s)

    def ask(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        """The answer, which is a JSON object.

        :raises Failed: no connection, or a status other than 200.
        """
        try:
            self._connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            text = answer.read().decode()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise Failed(f"{self._where}: {error or type(error).__name__}") from error
        if answer.status != 200:
            raise Failed(f"HTTP {answer.status}: {text.strip()}")
        found: dict[str, Any] = json.loads(text)
        return found

    def types(self, model: str) -> dict[str, str]:
        """Type of each input of the signature serving_default, such as DT_FLOAT."""
        metadata = self.ask("GET", f"/v1/models/{model}/metadata")["metadata"]
        inputs = metadata["signature_def"]["signature_def"]["serving_default"]["inputs"]
        return {name: each["dtype"] for name, each in inputs.items()}

    def predict(self, model: str, inputs: dict[str, Any]) -> Any:
        """The outputs: by name, or only the values where there is one."""
        return self.ask("POST", f"/v1/models/{model}:predict", json.dumps({"inputs": inputs}))["outputs"]

    def close(self) -> None:
        self._connection.close()


class Grpc:
    """A connection to the gRPC port; any number of threads may share it."""

    def __init__(self, host: str, port: int = 8500, timeout_s: float = 60.0) -> None:
        import grpc

        self._error = grpc.RpcError
        self._timeout_s = timeout_s
        # Otherwise all channels of a program to one port share one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(f"{host}:{port}", options)
        self._call = self._channel.unary_unary(
            _METHOD,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages().PredictResponse.FromString,
        )

    def request(self, model: str, inputs: dict[str, Any], types: dict[str, str]) -> Any:
        """A PredictRequest; ``types`` as :meth:`Rest.types` has them."""
        message = messages().PredictRequest()
        message.model_spec.name = model
        for name, value in inputs.items():
            tensor = message.inputs[name]
            tensor.dtype = messages().DataType.Value(types[name])
            for size in _shape(value):
                tensor.tensor_shape.dim.add(size=size)
            field, _ = _FIELDS[types[name]]
            getattr(tensor, field).extend(
                _bytes(each) if field == "string_val" else each for each in _flat(value)
            )
        return message

    def send(self, request: Any) -> Any:
        """The PredictResponse.

        :raises Failed: the status is not OK.
        """
        try:
            return self._call(request, timeout=self._timeout_s)
        except self._error as error:
            raise Failed(f"gRPC {error.code().name}: {error.details()}") from error

    def predict(self, model: str, inputs: dict[str, Any], types: dict[str, str]) -> dict[str, Any]:
        """The outputs by name, as nested lists; strings are bytes."""
        outputs = self.send(self.request(model, inputs, types)).outputs
        return {name: _values(tensor) for name, tensor in sorted(outputs.items())}

    def close(self) -> None:
        self._channel.close()


@cache
def messages() -> Any:
    """The classes of predict.proto, made now."""
    import grpc

    sys.path.append(str(HERE))
    try:
        return grpc.protos("predict.proto")
    finally:
        sys.path.remove(str(HERE))


def _shape(value: Any) -> list[int]:
    return [len(value), *(_shape(value[0]) if value else [])] if isinstance(value, list) else []


def _flat(value: Any) -> list[Any]:
    return [leaf for each in value for leaf in _flat(each)] if isinstance(value, list) else [value]


def _bytes(value: Any) -> bytes:
    """A string, or {"b64": ...}, as REST has it too."""
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else str(value).encode()


def _values(tensor: Any) -> Any:
    field, letter = _FIELDS[messages().DataType.Name(tensor.dtype)]
    shape = [each.size for each in tensor.tensor_shape.dim]
    values = list(getattr(tensor, field))
    if tensor.tensor_content and letter:
        values = list(struct.unpack(f"<{math.prod(shape)}{letter}", tensor.tensor_content))
    return _nested(values, shape)


def _nested(values: list[Any], shape: list[int]) -> Any:
    if not shape:
        return values[0]
    size = math.prod(shape[1:])
    return [_nested(values[at * size : (at + 1) * size], shape[1:]) for at in range(shape[0])]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--rest-port", type=int, default=8501)
    parser.add_argument("--grpc-port", type=int, default=8500)
    parser.add_argument("--model", required=True)
    parser.add_argument("inputs", help='a JSON object: {"NAME": nested lists}')
    asked = parser.parse_args()
    inputs = json.loads(asked.inputs)
    rest = Rest(asked.host, asked.rest_port)
    try:
        print("rest", json.dumps(rest.predict(asked.model, inputs)))
        grpc = Grpc(asked.host, asked.grpc_port)
        print(
            "grpc",
            json.dumps(grpc.predict(asked.model, inputs, rest.types(asked.model)), default=bytes.decode),
        )
        grpc.close()
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        rest.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
