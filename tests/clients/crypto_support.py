"""What the scripts about cryptographic operations share."""

import boto3
from botocore.exceptions import ClientError

kms = boto3.client("kms")


def key(spec, usage=None, **more):
    """A new key's ARN."""
    arguments = {"KeySpec": spec, **more}
    if usage:
        arguments["KeyUsage"] = usage
    return kms.create_key(**arguments)["KeyMetadata"]["Arn"]


def refused(code, call, help_with="", **arguments):
    """`call` answers `code`, and its text helps."""
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, (code, arguments, error)
        text = error.response["Error"]["Message"]
        assert help_with in text, f"{code} does not help: {text!r}"
        return
    raise SystemExit(f"{code} expected of {call.__name__} with {arguments}, which succeeded")


def dry(call, **arguments):
    """`call` as a dry run says that it would have succeeded."""
    refused("DryRunOperationException", call, DryRun=True, **arguments)


def changed(data, at=0):
    """The same bytes but for one bit."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
