"""A door in front of a gRPC server that hands on every call, and can change what the server answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

# Of the path of a method and a message of its answer: what the client gets instead. It may raise Refused.
Change = Callable[[str, bytes], bytes]
# Of a method, before the server hears of the call: the status that it ends with, or None.
Refuse = Callable[[str], grpc.StatusCode | None]
# As many calls at a time; each compile action holds one.
_THREADS = 64
_FOREVER_S = 1e6  # a client without a deadline has one in a few hundred years, which does not fit in here
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Refused(Exception):
    """The call ends with this status instead of an answer."""

    def __init__(self, status: grpc.StatusCode) -> None:
        super().__init__(status.name)
        self.status = status


class _All(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every method as a stream of bytes both ways: on the wire a single message is a stream of one."""

    def __init__(self, channel: grpc.Channel, change: Change, refuse: Refuse) -> None:
        self.channel, self.change, self.refuse = channel, change, refuse

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = details.method

        def answer(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            if (refused := self.refuse(method)) is not None:
                context.abort(refused, "refused by the door")
            told = [each for each in context.invocation_metadata() if not each.key.startswith(":")]
            left = context.time_remaining()
            call = self.channel.stream_stream(method)(
                requests,
                timeout=left if left is not None and left < _FOREVER_S else None,
                metadata=[tuple(each) for each in told],
            )
            context.add_callback(call.cancel)
            try:
                for message in call:
                    yield self.change(method, message)
            except Refused as late:
                context.abort(late.status, "refused by the door")
            except grpc.RpcError as error:
                failed: Any = error
                context.abort(failed.code(), failed.details())

        return grpc.stream_stream_rpc_method_handler(answer)


@contextmanager
def grpc_front(
    host: str, behind: tuple[str, int], change: Change, refuse: Refuse = lambda _: None
) -> Iterator[str]:
    """The address at ``host`` of a door to the server ``behind``."""
    with grpc.insecure_channel(f"{behind[0]}:{behind[1]}", options=_UNLIMITED) as channel:
        server = grpc.server(ThreadPoolExecutor(_THREADS), options=_UNLIMITED)
        server.add_generic_rpc_handlers((_All(channel, change, refuse),))
        port = server.add_insecure_port(f"{host}:0")
        server.start()
        try:
            yield f"grpc://{host}:{port}"
        finally:
            server.stop(None).wait()
