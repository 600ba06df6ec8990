"""TLS in front of a gRPC server, for clients with a certificate; keys for both ends."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Keys:
    """Files in PEM: who vouches for all, and certificate and key of the server and of a client."""

    ca: Path
    server: tuple[Path, Path]
    client: tuple[Path, Path]


def make_keys(folder: Path, address: str, *, expired: bool = False) -> Keys:
    """A day's keys; the server's are for the IP ``address``. ``expired``: its day was yesterday."""
    issuer = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("ca", issuer, "ca", issuer, x509.BasicConstraints(ca=True, path_length=None))
    (folder / "ca.pem").write_bytes(ca)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    made = {}
    for name, extension in (("server", host), ("client", x509.SubjectAlternativeName([x509.DNSName("me")]))):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, file = folder / f"{name}.pem", folder / f"{name}.key"
        day = timedelta(days=1) if expired and name == "server" else timedelta()
        certificate.write_bytes(_certificate(name, key, "ca", issuer, extension, day))
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        made[name] = (certificate, file)
    return Keys(folder / "ca.pem", made["server"], made["client"])


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: str,
    issuer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
    ago: timedelta = timedelta(),
) -> bytes:
    def named(word: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, word)])

    now = datetime.now(timezone.utc) - ago
    made = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(by))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=23))
        .add_extension(extension, critical=False)
        .sign(issuer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@contextmanager
def tls_front(keys: Keys, address: str, behind: tuple[str, int]) -> Iterator[int]:
    """The port at ``address`` that hands on to ``behind`` what a client with a certificate says."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(keys.ca))
    context.load_cert_chain(*map(str, keys.server))
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*behind)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))

    server = loop.run_until_complete(asyncio.start_server(serve, address, 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_end(asyncio.all_tasks(loop)))
        loop.close()


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        target.close()
