"""Keys whose material is fixed, by a world and by the tag _custom_key_material_.

`seal` makes ciphertexts on one Portcullis, `open` opens them on another; both check the rest.
Secrets that must be nowhere else are printed, one a line."""

import base64
import hashlib
import hmac
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from key_life_support import create, kms, refused

WORLD = "7c9f4a52-3f0e-4d43-9b1c-5a7d1f6e2b08"
OWN = "22222222-2222-4333-8444-555555555555"
CONTEXT = {"purpose": "test", "who": "everybody"}
MATERIAL = b"canary of CreateKey with 32 byte"


def text(material):
    return base64.b64encode(material).decode()


def tags(material, **more):
    pairs = {"_custom_key_material_": text(material), **more}
    return [{"TagKey": key, "TagValue": value} for key, value in pairs.items()]


def der(key, form):
    return key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())


def public(key):
    return key.public_key().public_bytes(serialization.Encoding.DER,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


def macs():
    secret = b"canary of an HMAC"
    expected = hmac.new(secret, b"message", hashlib.sha256).digest()
    mac = kms.generate_mac(KeyId="alias/mac", Message=b"message",
                           MacAlgorithm="HMAC_SHA_256")
    assert mac["Mac"] == expected
    # As LocalStack's own test has it: the length is not that of the hash.
    secret = b"custom test key material"
    key = create(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC", Tags=tags(secret))
    mac = kms.generate_mac(KeyId=key, Message=b"message", MacAlgorithm="HMAC_SHA_256")["Mac"]
    assert mac == hmac.new(secret, b"message", hashlib.sha256).digest()
    return secret


def elliptic(curve, spec, form):
    pair = ec.generate_private_key(curve)
    material = der(pair, form)
    key = create(KeySpec=spec, KeyUsage="SIGN_VERIFY", Tags=tags(material))
    assert kms.get_public_key(KeyId=key)["PublicKey"] == public(pair)
    algorithm = kms.describe_key(KeyId=key)["KeyMetadata"]["SigningAlgorithms"][0]
    signature = kms.sign(KeyId=key, Message=b"message", SigningAlgorithm=algorithm)["Signature"]
    digest = {"256": hashes.SHA256, "384": hashes.SHA384}[algorithm[-3:]]
    pair.public_key().verify(signature, b"message", ec.ECDSA(digest()))
    return material


def agreement():
    pair, other = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    material = der(pair, serialization.PrivateFormat.TraditionalOpenSSL)
    key = create(KeySpec="ECC_NIST_P384", KeyUsage="KEY_AGREEMENT", Tags=tags(material))
    derived = kms.derive_shared_secret(KeyId=key, KeyAgreementAlgorithm="ECDH",
                                       PublicKey=public(other))
    assert derived["SharedSecret"] == pair.exchange(ec.ECDH(), other.public_key())
    return material


def rsa_key(form):
    pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    material = der(pair, form)
    key = create(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT", Tags=tags(material))
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    sealed = pair.public_key().encrypt(b"attack at dawn", oaep)
    opened = kms.decrypt(KeyId=key, CiphertextBlob=sealed,
                         EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    assert opened["Plaintext"] == b"attack at dawn"
    return material


def edwards():
    pair = ed25519.Ed25519PrivateKey.generate()
    material = der(pair, serialization.PrivateFormat.PKCS8)
    key = create(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY", Tags=tags(material))
    signature = kms.sign(KeyId=key, Message=b"message", SigningAlgorithm="ED25519_SHA_512")
    pair.public_key().verify(signature["Signature"], b"message")
    return material


def refusals():
    other = ec.generate_private_key(ec.SECP384R1())
    for spec, usage, material in [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", b"canary but of 27 bytes long"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", b"canary" * 1000),
        ("ECC_NIST_P256", "SIGN_VERIFY", der(other, serialization.PrivateFormat.PKCS8)),
        ("RSA_2048", "SIGN_VERIFY", der(other, serialization.PrivateFormat.PKCS8)),
    ]:
        refused("ValidationException", kms.create_key, KeySpec=spec, KeyUsage=usage,
                Tags=tags(material))
        yield material
    refused("ValidationException", kms.create_key, Tags=[
        {"TagKey": "_custom_key_material_", "TagValue": "canary*that*is*no*base64"}])
    refused("ValidationException", kms.create_key, Origin="EXTERNAL", Tags=tags(MATERIAL))
    store = kms.describe_custom_key_stores()["CustomKeyStores"]
    assert not store
    refused("ValidationException", kms.create_key, Origin="AWS_CLOUDHSM",
            CustomKeyStoreId="cks-1234567890abcdef0", Tags=tags(MATERIAL))
    refused("TagException", kms.tag_resource, KeyId=WORLD, Tags=tags(MATERIAL))
    refused("TagException", kms.create_key, Tags=tags(MATERIAL) * 2)
    # The ID is taken, and stays so.
    refused("ValidationException", kms.create_key, Tags=tags(MATERIAL, _custom_id_=OWN))


def main():
    made = kms.create_key(Tags=tags(MATERIAL, _custom_id_=OWN, kept="yes"))["KeyMetadata"]
    assert made["KeyId"] == OWN and made["Origin"] == "AWS_KMS" and made["CurrentKeyMaterialId"]
    listed = kms.list_resource_tags(KeyId=OWN)["Tags"]
    assert listed == [{"TagKey": "kept", "TagValue": "yes"}], listed
    if sys.argv[1] == "seal":
        for key in (WORLD, OWN):
            sealed = kms.encrypt(KeyId=key, Plaintext=b"attack", EncryptionContext=CONTEXT)
            print(text(sealed["CiphertextBlob"]))
        return
    for blob in sys.argv[2:]:
        opened = kms.decrypt(CiphertextBlob=base64.b64decode(blob), EncryptionContext=CONTEXT)
        assert opened["Plaintext"] == b"attack", opened
    pkcs8, older = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
    secrets = [
        MATERIAL,
        macs(),
        elliptic(ec.SECP256R1(), "ECC_NIST_P256", older),
        elliptic(ec.SECP256K1(), "ECC_SECG_P256K1", pkcs8),
        agreement(),
        rsa_key(pkcs8),
        rsa_key(older),
        edwards(),
        *refusals(),
    ]
    # It rotates like any other, and the former material still opens.
    before = kms.encrypt(KeyId=OWN, Plaintext=b"attack")["CiphertextBlob"]
    kms.rotate_key_on_demand(KeyId=OWN)
    assert kms.decrypt(CiphertextBlob=before)["Plaintext"] == b"attack"
    assert len([key for key in kms.list_keys()["Keys"]]) >= 3 + 2 + 1
    for secret in secrets:
        print(text(secret))


main()
