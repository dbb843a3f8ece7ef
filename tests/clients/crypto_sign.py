"""Specs and usages, Sign, Verify, GenerateMac, VerifyMac, GetPublicKey; OpenSSL is the judge."""

import hashlib


from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, utils

from crypto_support import changed, dry, key, kms, refused

MESSAGE = b"what is signed" * 100
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
RSA_ALGORITHMS = [f"RSASSA_{kind}_SHA_{size}" for kind in ("PSS", "PKCS1_V1_5") for size in HASHES]
SIGNING = {
    **{f"RSA_{bits}": RSA_ALGORITHMS for bits in (2048, 3072, 4096)},
    "ECC_NIST_P256": ["ECDSA_SHA_256"],
    "ECC_NIST_P384": ["ECDSA_SHA_384"],
    "ECC_NIST_P521": ["ECDSA_SHA_512"],
    "ECC_SECG_P256K1": ["ECDSA_SHA_256"],
    "ECC_NIST_EDWARDS25519": ["ED25519_SHA_512", "ED25519_PH_SHA_512"],
    **{f"ML_DSA_{size}": ["ML_DSA_SHAKE_256"] for size in (44, 65, 87)},
}


def hash_of(algorithm):
    return HASHES[algorithm[-3:]]


def openssl_verifies(public, signature, message, algorithm):
    if algorithm.startswith("RSASSA_PSS"):
        chosen = hash_of(algorithm)
        salted = padding.PSS(padding.MGF1(chosen), chosen.digest_size)
        public.verify(signature, message, salted, chosen)
    elif algorithm.startswith("RSASSA_PKCS1"):
        public.verify(signature, message, padding.PKCS1v15(), hash_of(algorithm))
    elif algorithm.startswith("ECDSA"):
        public.verify(signature, message, ec.ECDSA(hash_of(algorithm)))
    else:
        public.verify(signature, message)


def check_metadata(arn, spec, usage, kind, algorithms):
    metadata = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert metadata["KeySpec"] == spec and metadata["KeyUsage"] == usage, metadata
    assert metadata["KeyState"] == "Enabled" and metadata["Origin"] == "AWS_KMS", metadata
    lists = {name: metadata[name] for name in metadata if name.endswith("Algorithms")}
    assert lists == {kind: algorithms}, lists
    assert "CurrentKeyMaterialId" not in metadata, metadata
    older = None if spec.startswith("ML_") or spec == "ECC_NIST_EDWARDS25519" else spec
    assert metadata.get("CustomerMasterKeySpec") == older, metadata


def check_public_key(arn, spec, usage, kind, algorithms):
    got = kms.get_public_key(KeyId=arn)
    assert (got["KeyId"], got["KeySpec"], got["KeyUsage"]) == (arn, spec, usage), got
    assert got[kind] == algorithms, got
    return serialization.load_der_public_key(got["PublicKey"])


def check_sign(arn, public, algorithm, message, message_type):
    asked = {"KeyId": arn, "SigningAlgorithm": algorithm}
    given = {"Message": message, "MessageType": message_type}
    dry(kms.sign, **asked, **given)
    signed = kms.sign(**asked, **given)
    assert signed["KeyId"] == arn and signed["SigningAlgorithm"] == algorithm, signed
    signature = signed["Signature"]
    verified = kms.verify(**asked, **given, Signature=signature)
    assert verified["SignatureValid"] is True and verified["KeyId"] == arn, verified
    dry(kms.verify, **asked, **given, Signature=signature)
    invalid = "KMSInvalidSignatureException"
    refused(invalid, kms.verify, **asked, **given, Signature=changed(signature, len(signature) // 2))
    refused(invalid, kms.verify, **asked, **given, Signature=signature[:-1])
    refused(invalid, kms.verify, **asked, **dict(given, Message=changed(message)),
            Signature=signature)
    refused(invalid, kms.verify, **asked, **given, Signature=changed(signature), DryRun=True)
    return signature


for spec, algorithms in SIGNING.items():
    refused("ValidationException", kms.create_key, "KeyUsage", KeySpec=spec)
    refused("ValidationException", kms.create_key, "SIGN_VERIFY", KeySpec=spec,
            KeyUsage="GENERATE_VERIFY_MAC")
    arn = key(spec, "SIGN_VERIFY")
    check_metadata(arn, spec, "SIGN_VERIFY", "SigningAlgorithms", algorithms)
    public = check_public_key(arn, spec, "SIGN_VERIFY", "SigningAlgorithms", algorithms)
    for algorithm in algorithms:
        asked = {"KeyId": arn, "SigningAlgorithm": algorithm}
        digests = not algorithm.startswith("ML_") and algorithm != "ED25519_SHA_512"
        if algorithm != "ED25519_PH_SHA_512":
            signature = check_sign(arn, public, algorithm, MESSAGE, "RAW")
            openssl_verifies(public, signature, MESSAGE, algorithm)
            try:
                openssl_verifies(public, signature, MESSAGE + b".", algorithm)
                raise SystemExit(f"{algorithm}: OpenSSL takes another message")
            except InvalidSignature:
                pass
            kms.sign(**asked, Message=b"x" * 4096)
            refused("ValidationException", kms.sign, **asked, Message=b"x" * 4097)
        else:
            refused("ValidationException", kms.sign, "DIGEST", **asked, Message=MESSAGE)
        if digests:
            digest = hashlib.new(f"sha{algorithm[-3:]}", MESSAGE).digest()
            signature = check_sign(arn, public, algorithm, digest, "DIGEST")
            if algorithm != "ED25519_PH_SHA_512":
                openssl_verifies(public, signature, MESSAGE, algorithm)
                kms.verify(**asked, Message=MESSAGE, Signature=signature)
            refused("ValidationException", kms.sign, "invalid length", **asked,
                    Message=digest + b".", MessageType="DIGEST")
        else:
            refused("ValidationException", kms.sign, "RAW", **asked, Message=b"x" * 64,
                    MessageType="DIGEST")
        if algorithm.startswith("ML_"):
            hasher = mldsa.MLDSAMuHasher(public)
            hasher.update(MESSAGE)
            mu = hasher.finalize()
            signature = check_sign(arn, public, algorithm, mu, "EXTERNAL_MU")
            # Whoever signs the mu signs the message.
            openssl_verifies(public, signature, MESSAGE, algorithm)
            public.verify_mu(signature, mu)
            kms.verify(**asked, Message=MESSAGE, Signature=signature)
            refused("ValidationException", kms.sign, "64", **asked, Message=mu[:-1],
                    MessageType="EXTERNAL_MU")
        else:
            refused("ValidationException", kms.sign, **asked, Message=b"x" * 64,
                    MessageType="EXTERNAL_MU")
    # What the key does not do.
    for wrong in ("RSASSA_PSS_SHA_256", "ECDSA_SHA_384", "ML_DSA_SHAKE_256"):
        if wrong not in algorithms:
            refused("InvalidKeyUsageException", kms.sign, "incompatible", KeyId=arn,
                    SigningAlgorithm=wrong, Message=MESSAGE)
    refused("InvalidKeyUsageException", kms.generate_mac, "SIGN_VERIFY", KeyId=arn,
            MacAlgorithm="HMAC_SHA_256", Message=MESSAGE)
    refused("InvalidKeyUsageException", kms.encrypt, "SIGN_VERIFY", KeyId=arn, Plaintext=b"text")
    refused("InvalidKeyUsageException", kms.generate_data_key, KeyId=arn, KeySpec="AES_256")
    # States.
    kms.disable_key(KeyId=arn)
    asked = {"KeyId": arn, "SigningAlgorithm": algorithms[0], "Message": MESSAGE}
    refused("DisabledException", kms.sign, **asked)
    kms.get_public_key(KeyId=arn)
    kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    refused("KMSInvalidStateException", kms.sign, **asked)
    refused("KMSInvalidStateException", kms.get_public_key, KeyId=arn)

# Ed25519ph after RFC 8032: the judge has it not, so the signature must at least not be Ed25519's.
arn = key("ECC_NIST_EDWARDS25519", "SIGN_VERIFY")
digest = hashlib.sha512(MESSAGE).digest()
hashed = kms.sign(KeyId=arn, SigningAlgorithm="ED25519_PH_SHA_512", Message=digest,
                  MessageType="DIGEST")["Signature"]
refused("KMSInvalidSignatureException", kms.verify, KeyId=arn, Signature=hashed, Message=digest,
        SigningAlgorithm="ED25519_SHA_512")

for size in (224, 256, 384, 512):
    spec, algorithm = f"HMAC_{size}", f"HMAC_SHA_{size}"
    arn = key(spec, "GENERATE_VERIFY_MAC")
    check_metadata(arn, spec, "GENERATE_VERIFY_MAC", "MacAlgorithms", [algorithm])
    asked = {"KeyId": arn, "MacAlgorithm": algorithm, "Message": MESSAGE}
    dry(kms.generate_mac, **asked)
    made = kms.generate_mac(**asked)
    mac = made["Mac"]
    assert len(mac) * 8 == size and made["KeyId"] == arn, made
    assert kms.generate_mac(**asked)["Mac"] == mac, "a MAC is the same each time"
    assert kms.verify_mac(**asked, Mac=mac)["MacValid"] is True
    dry(kms.verify_mac, **asked, Mac=mac)
    for wrong in (changed(mac), mac[:-1], mac + b"."):
        refused("KMSInvalidMacException", kms.verify_mac, **asked, Mac=wrong)
    refused("KMSInvalidMacException", kms.verify_mac, **dict(asked, Message=b"other"), Mac=mac)
    refused("KMSInvalidMacException", kms.verify_mac, **asked, Mac=changed(mac), DryRun=True)
    other = "HMAC_SHA_256" if size != 256 else "HMAC_SHA_512"
    refused("InvalidKeyUsageException", kms.generate_mac, **dict(asked, MacAlgorithm=other))
    refused("UnsupportedOperationException", kms.get_public_key, "public key", KeyId=arn)
    refused("InvalidKeyUsageException", kms.sign, KeyId=arn, SigningAlgorithm="ECDSA_SHA_256",
            Message=MESSAGE)

# What is no key at all.
refused("UnsupportedOperationException", kms.create_key, "China", KeySpec="SM2",
        KeyUsage="SIGN_VERIFY")
refused("ValidationException", kms.create_key, KeySpec="RSA_1024", KeyUsage="SIGN_VERIFY")
refused("ValidationException", kms.create_key, "KeySpec", KeySpec="RSA_2048",
        CustomerMasterKeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
refused("ValidationException", kms.create_key, KeyUsage="SIGN_VERIFY")
older = kms.create_key(CustomerMasterKeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
assert older["KeyMetadata"]["KeySpec"] == "ECC_NIST_P256", older
symmetric = kms.create_key()["KeyMetadata"]
assert symmetric["KeySpec"] == symmetric["CustomerMasterKeySpec"] == "SYMMETRIC_DEFAULT", symmetric
refused("UnsupportedOperationException", kms.get_public_key, KeyId=symmetric["Arn"])

# A key store has symmetric keys only.
store = kms.describe_custom_key_stores()["CustomKeyStores"][0]["CustomKeyStoreId"]
refused("UnsupportedOperationException", kms.create_key, "symmetric", Origin="AWS_CLOUDHSM",
        CustomKeyStoreId=store, KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
in_store = "alias/quickstart"
refused("InvalidKeyUsageException", kms.sign, KeyId=in_store, SigningAlgorithm="ECDSA_SHA_256",
        Message=MESSAGE)
refused("InvalidKeyUsageException", kms.generate_mac, KeyId=in_store, MacAlgorithm="HMAC_SHA_256",
        Message=MESSAGE)
refused("UnsupportedOperationException", kms.get_public_key, KeyId=in_store)
