"""Calls of every kind, and what the events tell of them. Prints the records and what must not be in them."""

import base64
import json
import os
import pathlib
import re
import sys
import urllib.parse
import urllib.request

import boto3
import botocore.loaders

KEY_STORE = "cks-1234567890abcdef0"
CLUSTER = "cluster-1a23b4cdefg"
PASSWORD = "canaryPassword7"
PLAINTEXT = b"canary plaintext 91b2 in the clear"

kms = boto3.client("kms")
cloudhsm = boto3.client("cloudhsmv2")
canaries = {PASSWORD, PLAINTEXT.decode(), base64.b64encode(PLAINTEXT).decode()}


def events(**query):
    url = os.environ["AWS_ENDPOINT_URL"] + "/_portcullis/events?" + urllib.parse.urlencode(query)
    with urllib.request.urlopen(url) as page:
        return json.load(page)["Records"]


def last(name, **query):
    return events(name=name, **query)[-1]


def hide(*blobs):
    canaries.update(base64.b64encode(blob).decode() for blob in blobs)


def same(record, **expected):
    for name, value in expected.items():
        assert record.get(name) == value, (name, record)


# A key of a key store: the store, its cluster and the key in the cluster are named.
context = {"Purpose": "test", "who": "Bob"}
sealed = kms.encrypt(KeyId="alias/guide", Plaintext=PLAINTEXT, EncryptionContext=context)
hide(sealed["CiphertextBlob"])
record = last("Encrypt")
arn = sealed["KeyId"]
same(
    record,
    eventSource="kms.amazonaws.com",
    eventType="AwsApiCall",
    awsRegion="us-east-1",
    sourceIPAddress="127.0.0.1",
    readOnly=True,
    requestID=sealed["ResponseMetadata"]["RequestId"],
    requestParameters={"keyId": "alias/guide", "encryptionContext": context},
    responseElements=None,
    resources=[{"accountId": "000000000000", "type": "AWS::KMS::Key", "ARN": arn}],
    recipientAccountId="000000000000",
)
assert "Boto3" in record["userAgent"], record
assert record["userIdentity"]["accessKeyId"] == "test", record
assert "errorCode" not in record, record
more = record["additionalEventData"]
assert more["customKeyStoreId"] == KEY_STORE, record
store = kms.describe_custom_key_stores(CustomKeyStoreId=KEY_STORE)["CustomKeyStores"][0]
assert more["clusterId"] == store["CloudHsmClusterId"], record
backing = json.loads(more["backingKey"])["backingKeyId"]
assert re.fullmatch("[0-9a-f]{32,64}", backing), record

# A ciphertext names its key.
kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
record = last("Decrypt")
same(record, requestParameters={"encryptionContext": context}, additionalEventData=more)
assert record["resources"][0]["ARN"] == arn, record

data_key = kms.generate_data_key(KeyId=arn, KeySpec="AES_256")
hide(data_key["Plaintext"], data_key["CiphertextBlob"])
hide(kms.generate_random(NumberOfBytes=32)["Plaintext"])
same(last("GenerateDataKey"), requestParameters={"keyId": arn, "keySpec": "AES_256"})

# A built-in key has no key store; both keys of a ReEncrypt are resources.
built_in = kms.create_key(Description="of no key store")["KeyMetadata"]
record = last("CreateKey")
same(record, readOnly=False, requestParameters={"description": "of no key store"})
assert record["responseElements"]["keyMetadata"]["arn"] == built_in["Arn"], record
assert "additionalEventData" not in record, record
again = kms.re_encrypt(CiphertextBlob=sealed["CiphertextBlob"], SourceEncryptionContext=context,
                       DestinationKeyId=built_in["KeyId"])
hide(again["CiphertextBlob"])
record = last("ReEncrypt", key=built_in["KeyId"])
assert [entry["ARN"] for entry in record["resources"]] == [arn, built_in["Arn"]], record

# What has no output members names the key.
kms.create_alias(AliasName="alias/told", TargetKeyId=built_in["KeyId"])
same(last("CreateAlias"), responseElements={"keyId": built_in["Arn"]},
     requestParameters={"aliasName": "alias/told", "targetKeyId": built_in["KeyId"]})
kms.disable_key(KeyId=built_in["KeyId"])
same(last("DisableKey"), responseElements={"keyId": built_in["Arn"]})

# Key store operations: the documented members, and never the password.
kms.disconnect_custom_key_store(CustomKeyStoreId=KEY_STORE)
same(last("DisconnectCustomKeyStore"), responseElements=None,
     requestParameters={"customKeyStoreId": KEY_STORE},
     additionalEventData={"customKeyStoreName": "ExampleKeyStore", "clusterId": more["clusterId"]})
waiting = True
while waiting:
    found = kms.describe_custom_key_stores(CustomKeyStoreId=KEY_STORE)["CustomKeyStores"][0]
    waiting = found["ConnectionState"] != "DISCONNECTED"
kms.update_custom_key_store(CustomKeyStoreId=KEY_STORE, KeyStorePassword=PASSWORD,
                            CloudHsmClusterId=CLUSTER)
same(last("UpdateCustomKeyStore"), responseElements=None,
     requestParameters={"customKeyStoreId": KEY_STORE, "clusterId": CLUSTER},
     additionalEventData={"customKeyStoreName": "ExampleKeyStore", "clusterId": CLUSTER})

# What fails is told with its code and text, also what never reached the service.
for name, call, arguments, code in (
    ("Encrypt", kms.encrypt, {"KeyId": "alias/guide", "Plaintext": PLAINTEXT},
     "KMSInvalidStateException"),
    ("DescribeKey", kms.describe_key, {"KeyId": "alias/nowhere"}, "NotFoundException"),
    ("UpdateCustomKeyStore", kms.update_custom_key_store,
     {"CustomKeyStoreId": KEY_STORE, "KeyStorePassword": PASSWORD + "x" * 40},
     "ValidationException"),
):
    try:
        call(**arguments)
    except kms.exceptions.ClientError as error:
        record = last(name)
        same(record, errorCode=code, errorMessage=error.response["Error"]["Message"],
             responseElements=None,
             requestID=error.response["ResponseMetadata"]["RequestId"])
        assert error.response["Error"]["Code"] == code, error
    else:
        raise SystemExit(f"{name} did not fail")
record = last("Encrypt")
same(record, additionalEventData=dict(more, clusterId=CLUSTER))

# The other service.
cloudhsm.describe_clusters()
same(last("DescribeClusters"), eventSource="cloudhsm.amazonaws.com", readOnly=True)

# Filters.
assert {entry["eventName"] for entry in events(name="Encrypt")} == {"Encrypt"}
assert not events(since="2999-01-01T00:00:00Z")
assert len(events(since=record["eventTime"])) >= 1
assert not events(key="00000000-0000-0000-0000-000000000000")
# A load of reads does not push out what was changed before it.
for _ in range(20):
    kms.list_keys()
assert events(name="CreateKey")

# Every blob and every sensitive member of both models is hidden.
source = pathlib.Path(__file__).parents[2] / "crates/server/src/events/show.rs"
hidden = source.read_text().split("const HIDDEN")[1].split("];")[0]
for service in ("kms", "cloudhsmv2"):
    shapes = botocore.loaders.Loader().load_service_model(service, "service-2")["shapes"]
    for shape in shapes.values():
        for member, reference in shape.get("members", {}).items():
            target = shapes[reference["shape"]]
            if target["type"] == "blob" or target.get("sensitive"):
                assert f'"{member}"' in hidden, f"{member} is shown in events"

json.dump({"Records": events(), "canaries": sorted(canaries)}, sys.stdout)
