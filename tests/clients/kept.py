"""What must open forever: `make` seals with every kind of symmetric key and prints it as JSON, `open FILE`
opens what such a file has."""

import base64
import json
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from key_life_support import create, kms

CONTEXT = {"purpose": "kept", "Größe": ""}
TEXT = b"attack at dawn"


def text(blob):
    return base64.b64encode(blob).decode()


def seal(what, key, context):
    sealed = kms.encrypt(KeyId=key, Plaintext=TEXT, EncryptionContext=context)
    return {"what": what, "context": context, "plaintext": text(TEXT),
            "ciphertext": text(sealed["CiphertextBlob"])}


def data_key(what, key, context):
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context)
    return {"what": what, "context": context, "plaintext": text(made["Plaintext"]),
            "ciphertext": text(made["CiphertextBlob"])}


def imported():
    key = create(Origin="EXTERNAL")
    parameters = kms.get_parameters_for_import(
        KeyId=key, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
    public = serialization.load_der_public_key(parameters["PublicKey"])
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    kms.import_key_material(
        KeyId=key, ImportToken=parameters["ImportToken"],
        EncryptedKeyMaterial=public.encrypt(bytes(range(32)), oaep),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")
    return key


def make():
    rotated, shared, external = create(), create(MultiRegion=True), imported()
    made = [
        seal("a key of a key store", "alias/guide", CONTEXT),
        data_key("a data key of a key store", "alias/guide", CONTEXT),
        seal("a multi-Region key", shared, CONTEXT),
        seal("imported material", external, CONTEXT),
        seal("before a rotation", rotated, {}),
    ]
    kms.rotate_key_on_demand(KeyId=rotated)
    made.append(seal("after a rotation", rotated, {}))
    print(json.dumps(made, indent=1, ensure_ascii=False))


def open_all(path):
    with open(path, encoding="utf-8") as file:
        made = json.load(file)
    assert len(made) == 6
    for one in made:
        opened = kms.decrypt(CiphertextBlob=base64.b64decode(one["ciphertext"]),
                             EncryptionContext=one["context"])
        assert text(opened["Plaintext"]) == one["plaintext"], one["what"]


if sys.argv[1] == "make":
    make()
else:
    open_all(sys.argv[2])
