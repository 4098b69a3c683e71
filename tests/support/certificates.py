"""An authority that anybody may found, and what it signs for a server on this machine."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = dt.timedelta(days=1)
_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Three files: whom to trust, and what a server on 127.0.0.1 shows and keeps to itself."""

    ca: Path
    certificate: Path
    key: Path

    @property
    def pem(self) -> str:
        """Whom to trust, as a setting says it."""
        return self.ca.read_text(encoding="utf-8")


def found_authority(directory: Path) -> Certificates:
    """Found an authority of its own in an empty directory."""
    made = Certificates(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    root, mine = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {directory.name}")])
    signs = x509.KeyUsage(**dict.fromkeys(_USES, False) | {"key_cert_sign": True})
    authority = _signed(name, name, root, root, x509.BasicConstraints(ca=True, path_length=0), signs)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = _signed(name, x509.Name([]), root, mine, here)
    for path, certificate in ((made.ca, authority), (made.certificate, server)):
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        mine.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


def _signed(
    issuer: x509.Name,
    subject: x509.Name,
    root: ec.EllipticCurvePrivateKey,
    own: ec.EllipticCurvePrivateKey,
    *extensions: x509.ExtensionType,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(root, hashes.SHA256())
