"""What the scripts about the life of keys share."""

import subprocess

import boto3
from botocore.exceptions import ClientError

kms = boto3.client("kms")


def refused(code, call, **arguments):
    """`call` answers `code`."""
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, (code, arguments, error)
        return
    raise SystemExit(f"{code} expected of {call.__name__} with {arguments}, which succeeded")


def advance(time):
    """Puts the clock forward."""
    subprocess.run(["portcullis", "clock", "advance", time], check=True, capture_output=True)


def create(**arguments):
    """A new key's ID."""
    return kms.create_key(**arguments)["KeyMetadata"]["KeyId"]


def metadata(key, client=kms):
    return client.describe_key(KeyId=key)["KeyMetadata"]


def seal(key, client=kms, text=b"attack at dawn"):
    return client.encrypt(KeyId=key, Plaintext=text)["CiphertextBlob"]


def opens(blob, client=kms):
    """Whether it opens to what was sealed; the material that did it."""
    opened = client.decrypt(CiphertextBlob=blob)
    assert opened["Plaintext"] == b"attack at dawn", opened
    return opened["KeyMaterialId"]
