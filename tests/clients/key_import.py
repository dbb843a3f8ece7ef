"""Import of key material that OpenSSL wrapped in every way, its end on the clock, and rotation to it."""

import datetime
import json
import os
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from key_import_support import ALGORITHMS, NEVER, bring, parameters, wrap
from key_life_support import advance, create, kms, metadata, opens, refused, seal

# Every algorithm and every size of the wrapping key.
material = os.urandom(32)
for algorithm, spec in [(it, "RSA_2048") for it in ALGORITHMS] + [
        ("RSAES_OAEP_SHA_256", "RSA_3072"), ("RSA_AES_KEY_WRAP_SHA_256", "RSA_4096")]:
    key = create(Origin="EXTERNAL")
    assert metadata(key)["KeyState"] == "PendingImport"
    refused("KMSInvalidStateException", kms.encrypt, KeyId=key, Plaintext=b"t")
    came = bring(key, material, algorithm, spec)
    found = metadata(key)
    assert found["KeyState"] == "Enabled" and found["Origin"] == "EXTERNAL", found
    assert found["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE", found
    assert came["KeyMaterialId"] == found["CurrentKeyMaterialId"] == opens(seal(key)), came

refused("UnsupportedOperationException", parameters, key=key, algorithm="RSAES_PKCS1_V1_5")
refused("UnsupportedOperationException", parameters, key=key, algorithm="SM2PKE", spec="SM2")
refused("UnsupportedOperationException", parameters, key=create())

# What does not fit is refused.
token, public = parameters(key)
good = wrap(public, "RSAES_OAEP_SHA_256", material)
asked = {"KeyId": key, "ImportToken": token, "EncryptedKeyMaterial": good}
send = kms.import_key_material
refused("ValidationException", send, **asked)
refused("ValidationException", send, **asked, ValidTo=datetime.datetime(2001, 1, 1))
refused("InvalidCiphertextException", send, **{**asked, "EncryptedKeyMaterial": good[:-1]}, **NEVER)
refused("InvalidCiphertextException", send, **{
    **asked, "EncryptedKeyMaterial": wrap(public, "RSAES_OAEP_SHA_1", material)}, **NEVER)
refused("InvalidImportTokenException", send, **{**asked, "ImportToken": b"token"}, **NEVER)
refused("InvalidImportTokenException", send, **{
    **asked, "ImportToken": parameters(create(Origin="EXTERNAL"))[0]}, **NEVER)
refused("IncorrectKeyMaterialException", bring, key=key, material=os.urandom(32))
refused("IncorrectKeyMaterialException", bring, key=create(Origin="EXTERNAL"), material=b"short")
refused("IncorrectKeyMaterialException", bring, key=key, material=material, KeyMaterialId="0" * 64,
        **NEVER)

# Deleted material comes back as the same bytes only, and everything opens again.
blob = seal(key)
kms.delete_imported_key_material(KeyId=key)
assert metadata(key)["KeyState"] == "PendingImport"
refused("KMSInvalidStateException", kms.decrypt, CiphertextBlob=blob)
refused("IncorrectKeyMaterialException", bring, key=key, material=os.urandom(32))
bring(key, material)
opens(blob)

# New material waits for a rotation on demand.
refused("KMSInvalidStateException", kms.rotate_key_on_demand, KeyId=key)
refused("UnsupportedOperationException", kms.enable_key_rotation, KeyId=key)
newer = os.urandom(32)
bring(key, newer, ImportType="NEW_KEY_MATERIAL", KeyMaterialDescription="second", **NEVER)
refused("KMSInvalidStateException", bring, key=key, material=os.urandom(32),
        ImportType="NEW_KEY_MATERIAL", **NEVER)
old = metadata(key)["CurrentKeyMaterialId"]
kms.rotate_key_on_demand(KeyId=key)
listed = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
assert [it["KeyMaterialState"] for it in listed] == ["NON_CURRENT", "CURRENT"], listed
assert listed[1]["KeyMaterialDescription"] == "second", listed
assert opens(blob) == old and opens(seal(key)) == listed[1]["KeyMaterialId"]
# Without one of its materials the key is of no use.
kms.delete_imported_key_material(KeyId=key, KeyMaterialId=old)
refused("KMSInvalidStateException", kms.encrypt, KeyId=key, Plaintext=b"t")
bring(key, material, ImportType="EXISTING_KEY_MATERIAL", KeyMaterialId=old, **NEVER)
opens(blob)

# Material expires on the clock; a token does too.
now = metadata(create())["CreationDate"]
week = now + datetime.timedelta(days=7)
expiring = create(Origin="EXTERNAL")
bring(expiring, material, ValidTo=week, ExpirationModel="KEY_MATERIAL_EXPIRES")
found = metadata(expiring)
assert abs(found["ValidTo"] - week) < datetime.timedelta(seconds=1), found
sealed = seal(expiring)
stale = parameters(key)
advance("6d")
refused("ExpiredImportTokenException", send, KeyId=key, ImportToken=stale[0],
        EncryptedKeyMaterial=wrap(stale[1], "RSAES_OAEP_SHA_256", material), **NEVER)
opens(sealed)
advance("2d")
assert metadata(expiring)["KeyState"] == "PendingImport"
with urllib.request.urlopen(f"{kms.meta.endpoint_url}/_portcullis/events"
                            "?name=DeleteExpiredKeyMaterial") as page:
    told = json.load(page)["Records"]
assert [it["responseElements"]["keyId"].split("/")[1] for it in told] == [expiring], told
bring(expiring, material)
opens(sealed)

# Keys of other kinds: HMAC, elliptic curves, RSA.
mac = create(Origin="EXTERNAL", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
bring(mac, material)
made = kms.generate_mac(KeyId=mac, Message=b"m", MacAlgorithm="HMAC_SHA_256")["Mac"]
from cryptography.hazmat.primitives import hmac  # noqa: E402

expected = hmac.HMAC(material, hashes.SHA256())
expected.update(b"m")
expected.verify(made)
for spec, private, algorithm, wrapping in [
        ("ECC_NIST_P384", ec.generate_private_key(ec.SECP384R1()), "ECDSA_SHA_384",
         "RSAES_OAEP_SHA_256"),
        ("RSA_2048", rsa.generate_private_key(65537, 2048), "RSASSA_PSS_SHA_256",
         "RSA_AES_KEY_WRAP_SHA_256")]:
    signing = create(Origin="EXTERNAL", KeySpec=spec, KeyUsage="SIGN_VERIFY")
    refused("KMSInvalidStateException", kms.get_public_key, KeyId=signing)
    pkcs8 = private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption())
    bring(signing, pkcs8, wrapping)
    public = private.public_key().public_bytes(serialization.Encoding.DER,
                                               serialization.PublicFormat.SubjectPublicKeyInfo)
    assert kms.get_public_key(KeyId=signing)["PublicKey"] == public
    signed = kms.sign(KeyId=signing, Message=b"m", SigningAlgorithm=algorithm)["Signature"]
    assert kms.verify(KeyId=signing, Message=b"m", Signature=signed,
                      SigningAlgorithm=algorithm)["SignatureValid"]
    # The public key outlives the material.
    kms.delete_imported_key_material(KeyId=signing)
    assert kms.get_public_key(KeyId=signing)["PublicKey"] == public
    refused("KMSInvalidStateException", kms.sign, KeyId=signing, Message=b"m",
            SigningAlgorithm=algorithm)
    bring(signing, pkcs8, wrapping)
refused("UnsupportedOperationException", parameters, key=signing)
