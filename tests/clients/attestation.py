"""Every operation that takes a Recipient, what it refuses, and what its event tells."""

import base64
import json
import os
import urllib.request

from attestation_support import DER, Enclave, Hypervisor, cbor, recipient
from crypto_support import changed, key, kms, refused

hypervisor, enclave = Hypervisor(), Enclave()
document = hypervisor.attest(enclave.public)
FOR = {"Recipient": recipient(document)}


def sealed(reply, plaintext):
    """What only the enclave opens, in a reply without the plaintext."""
    assert plaintext not in reply, reply
    return enclave.open(reply["CiphertextForRecipient"])


# Keys that are built in, and those of a key store, whose plaintexts come from an HSM.
store = kms.describe_custom_key_stores()["CustomKeyStores"][0]["CustomKeyStoreId"]
for name in (key("SYMMETRIC_DEFAULT"), "alias/quickstart"):
    context = {"App": "enclave"}
    blob = kms.encrypt(KeyId=name, Plaintext=b"attack at dawn", EncryptionContext=context)
    blob = blob["CiphertextBlob"]
    reply = kms.decrypt(CiphertextBlob=blob, EncryptionContext=context, **FOR)
    assert sealed(reply, "Plaintext") == b"attack at dawn"
    assert reply["KeyId"].startswith("arn:aws:kms:")
    refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=blob, **FOR)
    made = kms.generate_data_key(KeyId=name, KeySpec="AES_256", **FOR)
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"]
    assert sealed(made, "Plaintext") == opened and len(opened) == 32
    refused("DryRunOperationException", kms.generate_data_key, KeyId=name, KeySpec="AES_256",
            DryRun=True, **FOR)

large = kms.generate_data_key(KeyId="alias/quickstart", NumberOfBytes=1024, **FOR)
assert sealed(large, "Plaintext") == kms.decrypt(CiphertextBlob=large["CiphertextBlob"])["Plaintext"]

assert len(sealed(kms.generate_random(NumberOfBytes=33, **FOR), "Plaintext")) == 33
random = kms.generate_random(NumberOfBytes=16, CustomKeyStoreId=store, **FOR)
assert len(sealed(random, "Plaintext")) == 16

symmetric = key("SYMMETRIC_DEFAULT")
for spec in ("RSA_2048", "ECC_NIST_P256", "ML_KEM_768"):
    pair = kms.generate_data_key_pair(KeyId=symmetric, KeyPairSpec=spec, **FOR)
    opened = kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"]
    assert sealed(pair, "PrivateKeyPlaintext") == opened

agreeing = key("ECC_NIST_P256", "KEY_AGREEMENT")
other = kms.get_public_key(KeyId=key("ECC_NIST_P256", "KEY_AGREEMENT"))["PublicKey"]
asked = {"KeyId": agreeing, "KeyAgreementAlgorithm": "ECDH", "PublicKey": other}
secret = kms.derive_shared_secret(**asked)["SharedSecret"]
assert sealed(kms.derive_shared_secret(**asked, **FOR), "SharedSecret") == secret

rsa = key("RSA_2048", "ENCRYPT_DECRYPT")
asked = {"KeyId": rsa, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
blob = kms.encrypt(Plaintext=b"by RSA", **asked)["CiphertextBlob"]
assert sealed(kms.decrypt(CiphertextBlob=blob, **asked, **FOR), "Plaintext") == b"by RSA"

# Larger keys of the enclave; a document serves as often as it is shown; the tag does not matter.
for bits in (3072, 4096):
    enclave = Enclave(bits)
    shown = recipient(hypervisor.attest(enclave.public))
    for _ in range(2):
        reply = kms.generate_random(NumberOfBytes=32, Recipient=shown)
        assert len(sealed(reply, "Plaintext")) == 32
enclave = Enclave()
shown = recipient(b"\xd2" + hypervisor.attest(enclave.public))
assert len(sealed(kms.generate_random(NumberOfBytes=5, Recipient=shown), "Plaintext")) == 5


# What is not believed, and why.
def not_valid(document, why):
    refused("ValidationException", kms.generate_random, why, NumberOfBytes=16,
            Recipient=recipient(document))


def attested(**changes):
    return hypervisor.attest(enclave.public, **changes)


not_valid(changed(document, -1 % len(document)), "signature")
not_valid(changed(document, document.index(b"\x01" * 48)), "signature")
not_valid(hypervisor.attest(None), "public_key")
not_valid(hypervisor.attest(b"no key"), "RSA")
not_valid(Hypervisor(signer_days=-1).attest(enclave.public), "not valid at the date")
not_valid(b"x", "not a document")
not_valid(document + b"\0", "follows its end")
not_valid(attested(user_data=b"x" * 17_000), "too long")
not_valid(attested(digest="SHA256"), "SHA384")
not_valid(attested(pcrs={}), "pcrs")
not_valid(attested(pcrs={0: b"short"}), "PCR")
not_valid(attested(pcrs={32: b"\x01" * 48}), "PCR")
not_valid(attested(timestamp=0), "timestamp")
not_valid(attested(module_id=""), "module_id")
not_valid(attested(certificate=b"no certificate"), "X.509")
not_valid(attested(cabundle=[Hypervisor().root_pem()[:900]]), "X.509")
not_valid(attested(cabundle=[hypervisor.signer.public_bytes(DER)]), "do not fit together")
not_valid(attested(more=b""), "field")
not_valid(hypervisor.sign(cbor({"module_id": "i-1"})), "digest")
for end in range(1, len(document), 37):
    not_valid(document[:end], "not a document")
refused("ValidationException", kms.generate_random, "", NumberOfBytes=16,
        Recipient=recipient(b"x" * 262_145))
refused("ValidationException", kms.generate_random, "KeyEncryptionAlgorithm", NumberOfBytes=16,
        Recipient={"AttestationDocument": document})
refused("ValidationException", kms.generate_random, "AttestationDocument", NumberOfBytes=16,
        Recipient={"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"})


# What the events tell.
def last(operation):
    url = f"{os.environ['AWS_ENDPOINT_URL']}/_portcullis/events?name={operation}"
    return json.load(urllib.request.urlopen(url))["Records"][-1]


told = last("GenerateRandom")
assert told["errorCode"] == "ValidationException" and "additionalEventData" not in told, told
kms.generate_data_key(KeyId="alias/quickstart", KeySpec="AES_128", **FOR)
told = last("GenerateDataKey")
assert told["additionalEventData"]["customKeyStoreId"] == store, told
pcr = {n: base64.b64encode(bytes([n + 1]) * 48).decode() for n in (0, 1, 2, 8)}
assert told["additionalEventData"]["recipient"] == {
    "attestationDocumentModuleId": "i-1234567890abcdef0-enc0123456789abcde",
    "attestationDocumentEnclaveImageDigest": pcr[0],
    "attestationDocumentEnclavePCR1": pcr[1],
    "attestationDocumentEnclavePCR2": pcr[2],
    "attestationDocumentEnclavePCR8": pcr[8],
}, told
assert "recipient" not in told["requestParameters"], told
assert "ciphertextForRecipient" not in json.dumps(told), told
kms.generate_random(NumberOfBytes=1)
assert "additionalEventData" not in last("GenerateRandom")
print("attested")
