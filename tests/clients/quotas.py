"""Quotas of requests as boto3 sees them: CreateKey has five calls a second in each account."""

import sys
import time

import boto3
from botocore.config import Config

once = Config(retries={"total_max_attempts": 1})
kms = boto3.client("kms", config=once)

began = time.monotonic()
throttled = []
for _ in range(12):
    try:
        kms.create_key()
    except kms.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "ThrottlingException", error
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error
        throttled.append(error.response["Error"]["Message"])
took = time.monotonic() - began
if sys.argv[1] == "none":
    assert not throttled, throttled
    sys.exit()

# Five at once, and five more for each second that passed.
assert 12 - 5 - 5 * (took + 0.1) <= len(throttled) <= 7, (len(throttled), took)
text = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
assert set(throttled) == {text}, throttled

# Another account has a quota of its own, and a client that retries gets through.
boto3.client("kms", config=once, aws_access_key_id="111122223333",
             aws_secret_access_key="test").create_key()
patient = boto3.client("kms", config=Config(retries={"total_max_attempts": 8, "mode": "standard"}))
for _ in range(6):
    patient.create_key()
