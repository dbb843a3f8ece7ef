"""Key policies that let only one enclave in, and documents of the wrong root."""

import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from attestation_support import Enclave, Hypervisor, recipient

KEY = "0a1b2c3d-0a1b-4c3d-8e5f-0a1b2c3d4e5f"


def client(access_key, secret):
    return boto3.client("kms", aws_access_key_id=access_key, aws_secret_access_key=secret,
                        config=Config(retries={"total_max_attempts": 1}))


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return
    raise AssertionError(f"{code} expected")


owner, carol = client("111122223333", "test"), client("AKIACAROL", "carol-secret")
hypervisor, enclave = Hypervisor(), Enclave()


def only(condition):
    """Carol may use the key under this condition."""
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
         "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/carol"},
         "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*",
         "Condition": condition},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    owner.put_key_policy(KeyId=KEY, Policy=policy)


def key_for(document):
    return carol.generate_data_key(KeyId=KEY, KeySpec="AES_256", Recipient=recipient(document))


good = hypervisor.attest(enclave.public)
other = hypervisor.attest(enclave.public, pcrs={0: b"\x01" * 48, 8: b"\x0a" * 48})
forged = good[:-1] + bytes([good[-1] ^ 1])
image, signer = ("01" * 48).upper(), "09" * 48
for condition in (
    {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": image,
                                "kms:RecipientAttestation:PCR8": signer}},
    {"StringEquals": {"kms:RecipientAttestation:PCR0": image.lower(),
                      "kms:RecipientAttestation:PCR8": [signer, "00" * 48]}},
):
    only(condition)
    made = key_for(good)
    plain = owner.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"]
    assert enclave.open(made["CiphertextForRecipient"]) == plain
    reply = carol.decrypt(CiphertextBlob=made["CiphertextBlob"], Recipient=recipient(good))
    assert enclave.open(reply["CiphertextForRecipient"]) == plain
    # Another image's signer, no enclave at all, and a document that nobody signed.
    refused("AccessDeniedException", key_for, document=other)
    refused("AccessDeniedException", carol.generate_data_key, KeyId=KEY, KeySpec="AES_256")
    refused("AccessDeniedException", carol.decrypt, CiphertextBlob=made["CiphertextBlob"])
    refused("ValidationException", key_for, document=forged)
only({"StringEquals": {"kms:RecipientAttestation:ImageSha384": "02" * 48}})
refused("AccessDeniedException", key_for, document=good)
only({"Null": {"kms:RecipientAttestation:PCR4": "true"}})
key_for(good)
print("only the enclave")
