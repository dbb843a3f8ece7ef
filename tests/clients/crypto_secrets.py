"""RSA encryption, key agreement, encapsulation, data key pairs; OpenSSL is the other side."""

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, padding

from crypto_support import changed, dry, key, kms, refused

DER, SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
OAEP = {"RSAES_OAEP_SHA_1": hashes.SHA1(), "RSAES_OAEP_SHA_256": hashes.SHA256()}
LARGEST = {"RSA_2048": (214, 190), "RSA_3072": (342, 318), "RSA_4096": (470, 446)}


def oaep(algorithm):
    return padding.OAEP(padding.MGF1(OAEP[algorithm]), OAEP[algorithm], None)


symmetric = key("SYMMETRIC_DEFAULT")
for spec, largest in LARGEST.items():
    arn = key(spec, "ENCRYPT_DECRYPT")
    metadata = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert metadata["EncryptionAlgorithms"] == list(OAEP), metadata
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
    for algorithm, most in zip(OAEP, largest):
        asked = {"KeyId": arn, "EncryptionAlgorithm": algorithm}
        text = b"t" * most
        dry(kms.encrypt, **asked, Plaintext=text)
        sealed = kms.encrypt(**asked, Plaintext=text)
        assert (sealed["KeyId"], sealed["EncryptionAlgorithm"]) == (arn, algorithm), sealed
        blob = sealed["CiphertextBlob"]
        opened = kms.decrypt(**asked, CiphertextBlob=blob)
        assert opened["Plaintext"] == text and "KeyMaterialId" not in opened, opened
        dry(kms.decrypt, **asked, CiphertextBlob=blob)
        # What OpenSSL sealed for the public key opens here.
        elsewhere = public.encrypt(b"from elsewhere", oaep(algorithm))
        assert kms.decrypt(**asked, CiphertextBlob=elsewhere)["Plaintext"] == b"from elsewhere"
        refused("InvalidCiphertextException", kms.decrypt, **asked, CiphertextBlob=changed(blob))
        refused("InvalidCiphertextException", kms.decrypt, **asked, CiphertextBlob=blob[:-1])
        refused("InvalidCiphertextException", kms.decrypt, **asked, CiphertextBlob=changed(blob),
                DryRun=True)
        other = next(name for name in OAEP if name != algorithm)
        refused("InvalidCiphertextException", kms.decrypt, KeyId=arn, CiphertextBlob=blob,
                EncryptionAlgorithm=other)
        refused("ValidationException", kms.encrypt, str(most), **asked, Plaintext=text + b".")
        refused("ValidationException", kms.encrypt, "context", **asked, Plaintext=b"t",
                EncryptionContext={"a": "b"})
        refused("ValidationException", kms.decrypt, "named", CiphertextBlob=blob,
                EncryptionAlgorithm=algorithm)
        # From an RSA key to a symmetric one and back.
        to = kms.re_encrypt(CiphertextBlob=blob, SourceKeyId=arn, DestinationKeyId=symmetric,
                            SourceEncryptionAlgorithm=algorithm,
                            DestinationEncryptionContext={"now": "bound"})
        assert to["SourceEncryptionAlgorithm"] == algorithm, to
        assert to["DestinationEncryptionAlgorithm"] == "SYMMETRIC_DEFAULT", to
        assert "SourceKeyMaterialId" not in to and "DestinationKeyMaterialId" in to, to
        back = kms.re_encrypt(CiphertextBlob=to["CiphertextBlob"], DestinationKeyId=arn,
                              SourceEncryptionContext={"now": "bound"},
                              DestinationEncryptionAlgorithm=algorithm)
        assert kms.decrypt(**asked, CiphertextBlob=back["CiphertextBlob"])["Plaintext"] == text
    # Without an algorithm, SYMMETRIC_DEFAULT is meant.
    refused("InvalidKeyUsageException", kms.encrypt, "incompatible", KeyId=arn, Plaintext=b"t")
    refused("InvalidKeyUsageException", kms.decrypt, KeyId=arn, CiphertextBlob=blob)
    refused("InvalidKeyUsageException", kms.generate_data_key, KeyId=arn, KeySpec="AES_256")
    refused("InvalidKeyUsageException", kms.sign, KeyId=arn, Message=b"m",
            SigningAlgorithm="RSASSA_PSS_SHA_256")
refused("InvalidKeyUsageException", kms.encrypt, KeyId=symmetric, Plaintext=b"t",
        EncryptionAlgorithm="RSAES_OAEP_SHA_256")

# A dry run that looks at permission and state only.
ignoring = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
refused("DryRunOperationException", kms.decrypt, KeyId=symmetric, **ignoring)
refused("DryRunOperationException", kms.decrypt, KeyId=symmetric, CiphertextBlob=b"x", **ignoring)
refused("ValidationException", kms.decrypt, "named", CiphertextBlob=b"x", **ignoring)
refused("ValidationException", kms.decrypt, "DryRun", KeyId=symmetric, CiphertextBlob=b"x",
        DryRunModifiers=["IGNORE_CIPHERTEXT"])
refused("InvalidKeyUsageException", kms.decrypt, KeyId=arn, **ignoring)
refused("DryRunOperationException", kms.re_encrypt, SourceKeyId=symmetric,
        DestinationKeyId=symmetric, **ignoring)
refused("ValidationException", kms.decrypt, "CiphertextBlob", KeyId=symmetric)

# Key agreement.
CURVES = {"ECC_NIST_P256": ec.SECP256R1, "ECC_NIST_P384": ec.SECP384R1,
          "ECC_NIST_P521": ec.SECP521R1}
for spec, curve in CURVES.items():
    arn = key(spec, "KEY_AGREEMENT")
    metadata = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert metadata["KeyAgreementAlgorithms"] == ["ECDH"], metadata
    assert "SigningAlgorithms" not in metadata, metadata
    mine = ec.generate_private_key(curve())
    theirs = serialization.load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
    asked = {"KeyId": arn, "KeyAgreementAlgorithm": "ECDH"}
    public = mine.public_key().public_bytes(DER, SPKI)
    dry(kms.derive_shared_secret, **asked, PublicKey=public)
    derived = kms.derive_shared_secret(**asked, PublicKey=public)
    assert derived["SharedSecret"] == mine.exchange(ec.ECDH(), theirs), "another secret"
    assert (derived["KeyId"], derived["KeyOrigin"]) == (arn, "AWS_KMS"), derived
    other = next(name for name in CURVES if name != spec)
    foreign = ec.generate_private_key(CURVES[other]()).public_key().public_bytes(DER, SPKI)
    point = mine.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    for wrong in (foreign, point, b"nonsense", changed(public, len(public) - 1)):
        refused("ValidationException", kms.derive_shared_secret, "SubjectPublicKeyInfo", **asked,
                PublicKey=wrong)
    refused("InvalidKeyUsageException", kms.sign, KeyId=arn, Message=b"m",
            SigningAlgorithm="ECDSA_SHA_256")
refused("InvalidKeyUsageException", kms.derive_shared_secret, KeyId=symmetric, PublicKey=public,
        KeyAgreementAlgorithm="ECDH")

# Encapsulation. The other side has two of the three sizes.
PUBLIC = {768: mlkem.MLKEM768PublicKey, 1024: mlkem.MLKEM1024PublicKey}
BYTES = {512: 768, 768: 1088, 1024: 1568}
for size, length in BYTES.items():
    arn = key(f"ML_KEM_{size}", "ENCAPSULATE_DECAPSULATE")
    metadata = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert metadata["EncapsulationAlgorithms"] == ["ML_KEM"], metadata
    got = kms.get_public_key(KeyId=arn)
    assert got["EncapsulationAlgorithms"] == ["ML_KEM"], got
    asked = {"KeyId": arn, "EncapsulationAlgorithm": "ML_KEM"}
    dry(kms.encapsulate, **asked)
    made = kms.encapsulate(**asked)
    secret, blob = made["SharedSecret"], made["SharedSecretCiphertextBlob"]
    assert (len(secret), len(blob)) == (32, length), made
    opened = kms.decapsulate(**asked, SharedSecretCiphertextBlob=blob)
    assert opened["SharedSecret"] == secret and opened["KeyId"] == arn, opened
    dry(kms.decapsulate, **asked, SharedSecretCiphertextBlob=blob)
    other = kms.decapsulate(**asked, SharedSecretCiphertextBlob=changed(blob))
    assert other["SharedSecret"] != secret, "a changed blob gives another secret"
    refused("InvalidCiphertextException", kms.decapsulate, **asked,
            SharedSecretCiphertextBlob=blob[:-1])
    if size in PUBLIC:
        public = serialization.load_der_public_key(got["PublicKey"])
        assert isinstance(public, PUBLIC[size]), public
        secret, blob = public.encapsulate()
        opened = kms.decapsulate(**asked, SharedSecretCiphertextBlob=blob)
        assert opened["SharedSecret"] == secret, "not OpenSSL's secret"
    refused("InvalidKeyUsageException", kms.sign, KeyId=arn, Message=b"m",
            SigningAlgorithm="ML_DSA_SHAKE_256")
refused("InvalidKeyUsageException", kms.encapsulate, KeyId=symmetric,
        EncapsulationAlgorithm="ML_KEM")

# Data key pairs.
PAIRS = ["RSA_2048", "RSA_3072", "RSA_4096", *CURVES, "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519",
         "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"]
for spec in PAIRS:
    context = {"pair": spec}
    asked = {"KeyId": symmetric, "KeyPairSpec": spec, "EncryptionContext": context}
    dry(kms.generate_data_key_pair, **asked)
    made = kms.generate_data_key_pair(**asked)
    assert (made["KeyId"], made["KeyPairSpec"]) == (symmetric, spec), made
    assert made["KeyMaterialId"] == kms.describe_key(
        KeyId=symmetric)["KeyMetadata"]["CurrentKeyMaterialId"], made
    plain = made["PrivateKeyPlaintext"]
    opened = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == plain, "the two halves differ"
    refused("InvalidCiphertextException", kms.decrypt,
            CiphertextBlob=made["PrivateKeyCiphertextBlob"])
    if spec == "ML_KEM_512":
        # Seed form: 64 bytes at the end, in 86 bytes for each size.
        assert len(plain) == 86, len(plain)
    else:
        private = serialization.load_der_private_key(plain, None)
        assert private.public_key().public_bytes(DER, SPKI) == made["PublicKey"], spec
    if spec in ("RSA_4096", "ECC_NIST_P256", "ML_KEM_768"):
        dry(kms.generate_data_key_pair_without_plaintext, **asked)
        only = kms.generate_data_key_pair_without_plaintext(**asked)
        assert "PrivateKeyPlaintext" not in only, only
        opened = kms.decrypt(CiphertextBlob=only["PrivateKeyCiphertextBlob"],
                             EncryptionContext=context)
        if spec != "ML_KEM_512":
            private = serialization.load_der_private_key(opened["Plaintext"], None)
            assert private.public_key().public_bytes(DER, SPKI) == only["PublicKey"], spec
refused("UnsupportedOperationException", kms.generate_data_key_pair, "China", KeyId=symmetric,
        KeyPairSpec="SM2")
refused("ValidationException", kms.generate_data_key_pair, KeyId=symmetric, KeyPairSpec="RSA_1024")
for call in (kms.generate_data_key_pair, kms.generate_data_key_pair_without_plaintext):
    refused("UnsupportedOperationException", call, "key store", KeyId="alias/quickstart",
            KeyPairSpec="ECC_NIST_P256")
    refused("InvalidKeyUsageException", call, KeyId=arn, KeyPairSpec="ECC_NIST_P256")
