"""The guide page's flow with boto3: disconnect, rename, substitute, password, connect."""

import time

import boto3

KEY_STORE = "cks-1234567890abcdef0"
SUBSTITUTE = "cluster-1a23b4cdefg"
DEADLINE = 30

kms = boto3.client("kms")
cloudhsm = boto3.client("cloudhsmv2")


def describe():
    return kms.describe_custom_key_stores(CustomKeyStoreId=KEY_STORE)["CustomKeyStores"][0]


def wait_for(state):
    end = time.monotonic() + DEADLINE
    while describe()["ConnectionState"] != state:
        assert time.monotonic() < end, f"not {state}: {describe()}"
        time.sleep(0.02)


def without_metadata(reply):
    return {name: value for name, value in reply.items() if name != "ResponseMetadata"}


def certificate(cluster):
    found = cloudhsm.describe_clusters(Filters={"clusterIds": [cluster]})["Clusters"]
    return found[0]["Certificates"]["ClusterCertificate"]


store = describe()
original = store["CloudHsmClusterId"]
assert store["ConnectionState"] == "CONNECTED"
assert original != SUBSTITUTE

world_key = kms.describe_key(KeyId="alias/guide")["KeyMetadata"]
assert world_key["CustomKeyStoreId"] == KEY_STORE and world_key["Origin"] == "AWS_CLOUDHSM"
context = {"purpose": "guide", "step": "before"}
before = kms.encrypt(KeyId="alias/guide", Plaintext=b"made before", EncryptionContext=context)

# Made after the backup: the substitute does not have it.
late_key = kms.create_key(Origin="AWS_CLOUDHSM", CustomKeyStoreId=KEY_STORE)["KeyMetadata"]["KeyId"]
late = kms.encrypt(KeyId=late_key, Plaintext=b"too late")["CiphertextBlob"]

try:
    kms.update_custom_key_store(CustomKeyStoreId=KEY_STORE, NewCustomKeyStoreName="TooEarly")
    raise SystemExit("a CONNECTED key store was edited")
except kms.exceptions.CustomKeyStoreInvalidStateException as error:
    assert "Disconnect" in str(error), error
assert describe() == store

assert without_metadata(kms.disconnect_custom_key_store(CustomKeyStoreId=KEY_STORE)) == {}
wait_for("DISCONNECTED")
try:
    kms.decrypt(CiphertextBlob=before["CiphertextBlob"], EncryptionContext=context)
    raise SystemExit("the gate let an operation through")
except kms.exceptions.KMSInvalidStateException:
    pass

for edit in (
    {"NewCustomKeyStoreName": "DevelopmentKeys"},
    {"CloudHsmClusterId": SUBSTITUTE},
    {"KeyStorePassword": "ExamplePassword"},
):
    reply = kms.update_custom_key_store(CustomKeyStoreId=KEY_STORE, **edit)
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert without_metadata(reply) == {}
edited = describe()
assert edited["CustomKeyStoreName"] == "DevelopmentKeys"
assert edited["CloudHsmClusterId"] == SUBSTITUTE
assert certificate(original) == certificate(SUBSTITUTE)

assert without_metadata(kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)) == {}
wait_for("CONNECTED")
opened = kms.decrypt(CiphertextBlob=before["CiphertextBlob"], EncryptionContext=context)
assert opened["Plaintext"] == b"made before"
assert kms.describe_key(KeyId="alias/guide")["KeyMetadata"]["CloudHsmClusterId"] == SUBSTITUTE

try:
    plaintext = kms.decrypt(CiphertextBlob=late)["Plaintext"]
    raise SystemExit(f"a key that the backup lacks decrypted something: {plaintext!r}")
except kms.exceptions.KMSInvalidStateException:
    pass
