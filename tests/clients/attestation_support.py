"""An enclave and its hypervisor, made with other code than the product's: documents in CBOR and
COSE_Sign1, certificates of `cryptography`, and OpenSSL to open what is sealed."""

import datetime
import struct
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

DER = serialization.Encoding.DER
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def cbor(value):
    """The CBOR of what documents are made of."""
    def head(major, number):
        for low, most, form in ((24, 0xFF, ">B"), (25, 0xFFFF, ">H"), (26, 0xFFFFFFFF, ">I")):
            if number < 24:
                return bytes([major << 5 | number])
            if number <= most:
                return bytes([major << 5 | low]) + struct.pack(form, number)
        return bytes([major << 5 | 27]) + struct.pack(">Q", number)

    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


class Hypervisor:
    """A root, an authority below it, and who signs documents."""

    def __init__(self, signer_days=1):
        now = datetime.datetime.now(datetime.timezone.utc)
        self.root_key, root_name = ec.generate_private_key(ec.SECP384R1()), name("root")
        self.root = certificate(root_name, self.root_key, root_name, self.root_key, 1, now, 3650)
        between_key, between_name = ec.generate_private_key(ec.SECP384R1()), name("between")
        self.between = certificate(between_name, between_key, root_name, self.root_key, 0, now, 30)
        self.key = ec.generate_private_key(ec.SECP384R1())
        self.signer = certificate(name("signer"), self.key, between_name, between_key, None, now,
                                  signer_days)

    def root_pem(self):
        return self.root.public_bytes(serialization.Encoding.PEM)

    def attest(self, public_key, **changes):
        """A document as the NSM makes it, with some fields otherwise."""
        document = {
            "module_id": "i-1234567890abcdef0-enc0123456789abcde",
            "digest": "SHA384",
            "timestamp": 1735822563593,
            "pcrs": {0: b"\x01" * 48, 1: b"\x02" * 48, 2: b"\x03" * 48, 8: b"\x09" * 48},
            "certificate": self.signer.public_bytes(DER),
            "cabundle": [self.root.public_bytes(DER), self.between.public_bytes(DER)],
            "public_key": public_key,
            "user_data": None,
            "nonce": b"nonce",
        }
        document.update(changes)
        return self.sign(cbor(document))

    def sign(self, payload):
        protected = cbor({1: -35})
        signed = cbor(["Signature1", protected, b"", payload])
        r, s = decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA384())))
        signature = r.to_bytes(48, "big") + s.to_bytes(48, "big")
        return cbor([protected, {}, payload, signature])


class Enclave:
    """Whom a document is about."""

    def __init__(self, bits=2048):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        self.public = self.key.public_key().public_bytes(DER, SPKI)
        with open(f"enclave-{bits}.pem", "wb") as file:
            file.write(self.key.private_bytes(serialization.Encoding.PEM,
                                              serialization.PrivateFormat.PKCS8,
                                              serialization.NoEncryption()))
        self.file = file.name

    def open(self, sealed):
        """What OpenSSL finds in CiphertextForRecipient."""
        done = subprocess.run(["openssl", "cms", "-decrypt", "-inform", "DER", "-binary",
                               "-inkey", self.file], input=sealed, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


def recipient(document):
    return {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": document}


def name(common):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def certificate(subject, key, issuer, issuer_key, room, now, days):
    """One that may issue others if it has room for some below it."""
    authority = room is not None
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=30))
    builder = builder.not_valid_after(now + datetime.timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(authority, room), critical=True)
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment",
                           "key_agreement", "crl_sign", "encipher_only", "decipher_only"), False)
    usage.update(digital_signature=not authority, key_cert_sign=authority)
    builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    return builder.sign(issuer_key, hashes.SHA384())
