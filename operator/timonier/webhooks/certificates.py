"""The operator's own certificate authority, and its renewal without a failed request. Pure: time comes in as a value.

Everything moves forward at the renewal of the leaf, which comes after two thirds of its life:

1. when the authority has lived two thirds of its own life, a *next* one is made, and both are published;
2. at the following renewal, if both have been seen published, the next one takes over and signs; the *previous* one
   stays published, since replicas serve its leaf until they have read the new one;
3. at the renewal after that, the previous one is dropped.

So whatever leaf a replica serves, and whichever bundle the API server has read, one always fits the other.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Lives", "Pair", "Trust", "pace", "parse", "renewed"]

_BACKDATED: Final = timedelta(minutes=1)
"""How far clocks may be apart."""
_LOOKS: Final = 30
_SLOWEST, _QUICKEST = 30.0, 0.1


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, as PEM."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Lives:
    """How long certificates are good for. An authority must outlive several leaves."""

    authority: timedelta = timedelta(days=365)
    leaf: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Trust:
    """All that is kept: who signs, the leaf that is served, who is about to sign, and who did before."""

    authority: Pair
    leaf: Pair
    next: Pair | None = None
    previous: str = ""

    @property
    def bundle(self) -> str:
        """The authorities that the API server must trust now, as PEM."""
        following = self.next.certificate if self.next else ""
        return "".join(part for part in (self.authority.certificate, following, self.previous) if part)

    def data(self) -> dict[str, str]:
        """The Trust as the data of a Secret: the inverse of `parse`."""
        return {
            "ca.crt": self.authority.certificate,
            "ca.key": self.authority.key,
            "tls.crt": self.leaf.certificate,
            "tls.key": self.leaf.key,
            "next-ca.crt": self.next.certificate if self.next else "",
            "next-ca.key": self.next.key if self.next else "",
            "previous-ca.crt": self.previous,
        }


def parse(data: Mapping[str, str]) -> Trust | None:
    """The Trust in a Secret's data; None when it is not all there, or not certificates."""
    authority = Pair(data.get("ca.crt", ""), data.get("ca.key", ""))
    leaf = Pair(data.get("tls.crt", ""), data.get("tls.key", ""))
    following = Pair(data.get("next-ca.crt", ""), data.get("next-ca.key", ""))
    trust = Trust(
        authority, leaf, following if following.certificate and following.key else None, data.get("previous-ca.crt", "")
    )
    try:
        for certificate in (authority.certificate, leaf.certificate):
            _read(certificate)
        for certificate in filter(None, (following.certificate, trust.previous)):
            _read(certificate)
        for pair in filter(None, (authority, leaf, trust.next)):
            _key(pair)
    except (TypeError, ValueError):
        return None
    return trust


def renewed(trust: Trust | None, names: Sequence[str], now: datetime, lives: Lives, *, published: bool) -> Trust:
    """The Trust to go on with: the same one when nothing is due.

    `names` are the hosts that the API server dials. `published` says that everybody who asks has been given the whole
    bundle of `trust`: without it no other authority takes over.
    """
    if trust is None or now >= _read(trust.authority.certificate).not_valid_after_utc:
        authority = _authority(now, lives.authority)
        return Trust(authority, _leaf(authority, names, now, lives.leaf))
    if not _due(trust.leaf.certificate, now) and _names(trust.leaf.certificate) == set(names):
        return trust
    if trust.next is not None:
        if not published:
            return replace(trust, leaf=_leaf(trust.authority, names, now, lives.leaf))
        leaf = _leaf(trust.next, names, now, lives.leaf)
        return Trust(trust.next, leaf, previous=trust.authority.certificate)
    following = _authority(now, lives.authority) if _due(trust.authority.certificate, now) else None
    return Trust(trust.authority, _leaf(trust.authority, names, now, lives.leaf), next=following)


def pace(certificate: str) -> float:
    """Seconds between two looks whether it is due: many in its life, whoever chose that, and none for nothing."""
    read = _read(certificate)
    life = read.not_valid_after_utc - read.not_valid_before_utc - _BACKDATED
    return min(_SLOWEST, max(_QUICKEST, life.total_seconds() / _LOOKS))


def _read(certificate: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.encode())


def _key(pair: Pair) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pair.key.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not a key that we made")
    return key


def _due(certificate: str, now: datetime) -> bool:
    read = _read(certificate)
    began, ends = read.not_valid_before_utc + _BACKDATED, read.not_valid_after_utc
    return now >= began + (ends - began) * 2 / 3


def _names(certificate: str) -> set[str]:
    names = _read(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def _authority(now: datetime, life: timedelta) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # The serial number tells authorities of the same purpose apart where they stand side by side.
    serial = x509.random_serial_number()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"timonier webhooks {serial:040x}"[:60])])
    builder = (
        _builder(name, name, key.public_key(), now, now + life, serial)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def _leaf(authority: Pair, names: Sequence[str], now: datetime, life: timedelta) -> Pair:
    signer = _read(authority.certificate)
    signing_key = _key(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "timonier webhooks")])
    ends = min(now + life, signer.not_valid_after_utc)
    builder = (
        _builder(subject, signer.subject, key.public_key(), now, ends, x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
    )
    return _pair(builder.sign(signing_key, hashes.SHA256()), key)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    ends: datetime,
    serial: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(ends)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )
