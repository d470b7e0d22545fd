"""A certificate of the coordinator's own making, for those who have none: an authority, and what it vouches for.

Doesn't know who trusts it: whoever dials is given `ca.pem`. The authority outlives its certificates, which are made anew when the
coordinator gets another name.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from atoll.service.coordinator._home import write
from atoll.values import ConfigError

YEARS = 10
_SOON = datetime.timedelta(days=60)
_PEM = serialization.Encoding.PEM


def self_made(folder: Path, host: str, *also: str) -> tuple[Path, Path, Path]:
    """The authority, the certificate and its key, as PEM files in a folder; made when they aren't there or don't fit.

    `also`: other names by which the coordinator is reached.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority, authority_key, certificate, key = (
        folder / name for name in ("ca.pem", "ca-key.pem", "server.pem", "server-key.pem")
    )
    if not (authority.exists() and authority_key.exists()):
        _make_authority(authority, authority_key)
    names = _names(host, *also)
    if not _fits(certificate, key, names, authority):
        _make_certificate(certificate, key, names, authority, authority_key)
    return authority, certificate, key


def named(certificate: Path, host: str) -> tuple[str, bool]:
    """By which of its names a certificate's bearer is dialled, `host` if it may be; and whether it vouches for itself.

    Raises `ConfigError` (`coordinator.bad-certificate`)."""
    try:
        found = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except (OSError, ValueError, IndexError) as error:
        raise ConfigError(
            "coordinator.bad-certificate", f"{certificate} is no certificate: {error}", "--tls-cert FILE"
        ) from error
    names = _named_in(found)
    local = [n for n in ("localhost", "127.0.0.1", "::1") if n in names] if host in _LOCAL else []
    plain = [n for n in names if "*" not in n]
    chosen = host if host in names else next(iter([*local, *plain]), host)
    return chosen, found.issuer == found.subject


_LOCAL = ("127.0.0.1", "::1", "localhost")


def _make_authority(path: Path, key: Path) -> None:
    signing = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Atoll coordinator's own authority")])
    root = (
        _begun(name, name, signing.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(signing.public_key()), critical=False)
        .sign(signing, hashes.SHA256())
    )
    write(key, _private(signing))
    write(path, root.public_bytes(_PEM))


def _make_certificate(
    path: Path, key: Path, names: list[x509.GeneralName], authority: Path, authority_key: Path
) -> None:
    root = x509.load_pem_x509_certificate(authority.read_bytes())
    signing = serialization.load_pem_private_key(authority_key.read_bytes(), None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    serving = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Atoll coordinator")])
    leaf = (
        _begun(subject, root.subject, serving.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
        .sign(signing, hashes.SHA256())
    )
    write(key, _private(serving))
    write(path, leaf.public_bytes(_PEM) + root.public_bytes(_PEM))


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs_certificates, crl_sign=signs_certificates, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
    )


def _fits(certificate: Path, key: Path, names: list[x509.GeneralName], authority: Path) -> bool:
    """Whether it vouches for these names, for a good while yet, with this key and by this authority."""
    try:
        found = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        found.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.read_bytes()))
        mine = serialization.load_pem_private_key(key.read_bytes(), None).public_key()
    except (OSError, ValueError, IndexError, TypeError, InvalidSignature):
        return False
    lasts = found.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > _SOON
    return lasts and found.public_key() == mine and {str(n.value) for n in names} <= set(_named_in(found))


def _named_in(certificate: x509.Certificate) -> list[str]:
    with contextlib.suppress(x509.ExtensionNotFound, ValueError):
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = extension.get_values_for_type(x509.DNSName)
        return [*dns, *map(str, extension.get_values_for_type(x509.IPAddress))]
    return []


def _names(*hosts: str) -> list[x509.GeneralName]:
    """What this machine, and the place where it listens, are called."""
    names = ["localhost", "127.0.0.1", "::1", *hosts, socket.gethostname()]
    return [found for name in dict.fromkeys(names) for found in _name(name)]


def _name(text: str) -> list[x509.GeneralName]:
    with contextlib.suppress(ValueError):
        return [x509.IPAddress(ipaddress.ip_address(text))]
    with contextlib.suppress(ValueError):
        return [x509.DNSName(text)]
    return []
