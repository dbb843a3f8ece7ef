"""Key material wrapped by another implementation."""

import os

from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from key_life_support import kms

OAEP = {"SHA_1": hashes.SHA1(), "SHA_256": hashes.SHA256()}
ALGORITHMS = [f"{kind}_{name}" for kind in ["RSAES_OAEP", "RSA_AES_KEY_WRAP"] for name in OAEP]
NEVER = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}


def wrap(public, algorithm, material):
    hash = OAEP[algorithm[-5:] if algorithm.endswith("SHA_1") else "SHA_256"]
    public = serialization.load_der_public_key(public)
    oaep = padding.OAEP(padding.MGF1(hash), hash, None)
    if algorithm.startswith("RSAES"):
        return public.encrypt(material, oaep)
    one_time = os.urandom(32)
    return public.encrypt(one_time, oaep) + keywrap.aes_key_wrap_with_padding(one_time, material)


def parameters(key, algorithm="RSAES_OAEP_SHA_256", spec="RSA_2048", client=kms):
    got = client.get_parameters_for_import(KeyId=key, WrappingAlgorithm=algorithm,
                                        WrappingKeySpec=spec)
    return got["ImportToken"], got["PublicKey"]


def bring(key, material, algorithm="RSAES_OAEP_SHA_256", spec="RSA_2048", client=kms, **more):
    token, public = parameters(key, algorithm, spec, client)
    return client.import_key_material(KeyId=key, ImportToken=token,
                                   EncryptedKeyMaterial=wrap(public, algorithm, material),
                                   **(more or NEVER))
