"""What a key store refuses and how it fails: each case, its code, its help, and its repair."""

import json
import os
import subprocess
import time

import boto3

KEY_STORE = "cks-1234567890abcdef0"
UNRELATED, SINGLE, ONE_ZONE = (f"cluster-{digit * 12}" for digit in "234")
HALF_SUBSTITUTE = "cluster-555555555555"

kms = boto3.client("kms")
cloudhsm = boto3.client("cloudhsmv2")


def describe():
    return kms.describe_custom_key_stores(CustomKeyStoreId=KEY_STORE)["CustomKeyStores"][0]


def wait_for(*states):
    end = time.monotonic() + 30
    while describe()["ConnectionState"] not in states:
        assert time.monotonic() < end, f"not {states}: {describe()}"
        time.sleep(0.02)
    return describe()


def refused(code, help_with, call, **arguments):
    """`call` answers `code`, its text helps, and the key store is as before."""
    before = describe()
    try:
        call(**arguments)
    except kms.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        text = error.response["Error"]["Message"]
        assert help_with in text, f"{code} does not help: {text!r}"
    else:
        raise SystemExit(f"{code} expected, but the call succeeded")
    assert describe() == before, "a refused call changed the key store"


def cli(*words, check=True, cluster=None, pin="admin:adminPassword"):
    environment = dict(os.environ, CLOUDHSM_ROLE="admin", CLOUDHSM_PIN=pin)
    done = subprocess.run(
        ["portcullis", "cloudhsm-cli", "--cluster-id", cluster or primary, *words],
        env=environment, capture_output=True, text=True,
    )
    assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
    return json.loads(done.stdout)


def disconnect():
    kms.disconnect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    wait_for("DISCONNECTED")


def connect_fails_with(code):
    kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    store = wait_for("FAILED", "CONNECTED")
    assert store.get("ConnectionErrorCode") == code, store


def set_password(password):
    cli("user", "change-password", "--username", "kmsuser", "--role", "crypto-user",
        "--password", password)
    kms.update_custom_key_store(CustomKeyStoreId=KEY_STORE, KeyStorePassword=password)


def connect():
    kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    wait_for("CONNECTED")


primary = describe()["CloudHsmClusterId"]
anchor = describe()["TrustAnchorCertificate"]
subprocess.run(
    "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=Other -keyout o.key -out o.crt",
    shell=True, check=True, capture_output=True,
)
other_anchor = open("o.crt").read()

# CreateCustomKeyStore.
new = {"CustomKeyStoreName": "New", "KeyStorePassword": "kmsPassword"}
create = kms.create_custom_key_store
refused("IncorrectTrustAnchorException", "customerCA.crt", create, **new,
        CloudHsmClusterId=UNRELATED, TrustAnchorCertificate=other_anchor)
for cluster in (SINGLE, ONE_ZONE):
    refused("CloudHsmClusterInvalidConfigurationException", "Availability Zone", create, **new,
            CloudHsmClusterId=cluster, TrustAnchorCertificate=anchor)
refused("CloudHsmClusterInUseException", "", create, **new,
        CloudHsmClusterId=primary, TrustAnchorCertificate=anchor)
refused("CloudHsmClusterNotFoundException", "", create, **new,
        CloudHsmClusterId="cluster-777777777777", TrustAnchorCertificate=anchor)
refused("CustomKeyStoreNameInUseException", "", create, **dict(new, CustomKeyStoreName="Keys"),
        CloudHsmClusterId=UNRELATED, TrustAnchorCertificate=anchor)

# UpdateCustomKeyStore: state, relation, configuration.
update = kms.update_custom_key_store
refused("CustomKeyStoreInvalidStateException", "Disconnect", update,
        CustomKeyStoreId=KEY_STORE, CloudHsmClusterId=UNRELATED)
disconnect()
refused("CloudHsmClusterNotRelatedException", "", update,
        CustomKeyStoreId=KEY_STORE, CloudHsmClusterId=UNRELATED)
refused("CloudHsmClusterInvalidConfigurationException", "Availability Zone", update,
        CustomKeyStoreId=KEY_STORE, CloudHsmClusterId=HALF_SUBSTITUTE)
refused("CloudHsmClusterNotFoundException", "", update,
        CustomKeyStoreId=KEY_STORE, CloudHsmClusterId="cluster-777777777777")

# A wrong password, until the user is locked out; then the documented repair.
update(CustomKeyStoreId=KEY_STORE, KeyStorePassword="wrongPassword")
for _ in range(10):
    kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    store = wait_for("FAILED")
    if store["ConnectionErrorCode"] == "USER_LOCKED_OUT":
        break
    assert store["ConnectionErrorCode"] == "INVALID_CREDENTIALS", store
    refused("CustomKeyStoreInvalidStateException", "Disconnect", kms.connect_custom_key_store,
            CustomKeyStoreId=KEY_STORE)
    disconnect()
else:
    raise SystemExit("wrong passwords never locked kmsuser out")
disconnect()
set_password("freshPassword1")
connect()

# Somebody is logged in as kmsuser.
disconnect()
set_password("freshPassword2")
cli("login", "--username", "kmsuser", "--role", "crypto-user", "--password", "freshPassword2")
connect_fails_with("USER_LOGGED_IN")
cli("logout")
disconnect()
connect()

# The user is gone.
disconnect()
listed = cli("user", "list")["data"]["users"]
assert {"kmsuser", "admin"} <= {user["username"] for user in listed}, listed

# The cluster is deleted.
for hsm in cloudhsm.describe_clusters(Filters={"clusterIds": [primary]})["Clusters"][0]["Hsms"]:
    cloudhsm.delete_hsm(ClusterId=primary, HsmId=hsm["HsmId"])
cloudhsm.delete_cluster(ClusterId=primary)
connect_fails_with("CLUSTER_NOT_FOUND")
