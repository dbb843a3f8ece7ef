"""The AWS Encryption SDK: envelopes whose data keys a key store's key seals, through a disconnect."""

import logging
import time

import aws_encryption_sdk
import boto3
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError

KEY_STORE = "cks-1234567890abcdef0"
kms = boto3.client("kms")
arn = kms.describe_key(KeyId="alias/guide")["KeyMetadata"]["Arn"]
client = aws_encryption_sdk.EncryptionSDKClient(
    commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)


def provider():
    """A fresh one each time, so that no data key is remembered."""
    return aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(key_ids=[arn])


def seal(message):
    sealed, header = client.encrypt(source=message, key_provider=provider(),
                                    encryption_context={"purpose": "test"})
    assert header.encryption_context["purpose"] == "test"
    return sealed


def open_(sealed):
    opened, header = client.decrypt(source=sealed, key_provider=provider())
    assert header.encryption_context["purpose"] == "test"
    return opened


def wait(state):
    end = time.monotonic() + 60
    while kms.describe_custom_key_stores(CustomKeyStoreId=KEY_STORE)["CustomKeyStores"][0][
            "ConnectionState"] != state:
        assert time.monotonic() < end, f"never {state}"
        time.sleep(0.02)


class Log(logging.Handler):
    """The library tells what KMS said in its log; its exception only says that no key did it."""

    def __init__(self):
        super().__init__()
        self.causes = []

    def emit(self, record):
        self.causes.append(repr(record.exc_info))


def fails(call, message):
    """The error reaches the application."""
    log, logger = Log(), logging.getLogger("aws_encryption_sdk")
    logger.addHandler(log)
    logger.propagate = False
    try:
        call(message)
    except AWSEncryptionSDKClientError:
        assert any("KMSInvalidStateException" in cause for cause in log.causes), log.causes
    else:
        raise SystemExit("it worked while the key store was disconnected")
    finally:
        logger.removeHandler(log)


large = b"attack at dawn " * 100_000
envelope = seal(large)
assert open_(envelope) == large

kms.disconnect_custom_key_store(CustomKeyStoreId=KEY_STORE)
wait("DISCONNECTED")
fails(seal, large)
fails(open_, envelope)

kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
wait("CONNECTED")
assert open_(envelope) == large
assert open_(seal(b"after")) == b"after"
