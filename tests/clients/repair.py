"""What the rehearsals share: boto3 clients, the CloudHSM CLI, and the steps of a repair."""

import json
import os
import subprocess
import time
import urllib.request

import boto3

KEY_STORE = "cks-1234567890abcdef0"
ADMIN_PASSWORD = "adminPassword"
PATIENCE_SECONDS = 60

kms = boto3.client("kms")
cloudhsm = boto3.client("cloudhsmv2")


def until(what, look):
    """Asks `look` until it gives something."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"{what}: not within {PATIENCE_SECONDS} seconds"
        time.sleep(0.02)


def store():
    return kms.describe_custom_key_stores(CustomKeyStoreId=KEY_STORE)["CustomKeyStores"][0]


def wait_for(*states):
    return until(f"key store {states}", lambda: (
        (found := store())["ConnectionState"] in states and found))


def cluster(cluster_id):
    found = cloudhsm.describe_clusters(Filters={"clusterIds": [cluster_id]})["Clusters"]
    return found[0] if found else None


def backups(cluster_id):
    """The READY backups of a cluster, oldest first."""
    found = cloudhsm.describe_backups(
        Filters={"clusterIds": [cluster_id], "states": ["READY"]}, SortAscending=True)["Backups"]
    return sorted(found, key=lambda backup: backup["CreateTimestamp"])


def settle(cluster_id):
    """Waits until no change of a cluster is under way: it accepts none before."""
    until(f"{cluster_id} settles", lambda: not (
        cluster(cluster_id)["State"].endswith("_IN_PROGRESS")))


def add_hsm(cluster_id, zone):
    settle(cluster_id)
    made = cloudhsm.create_hsm(ClusterId=cluster_id, AvailabilityZone=zone)["Hsm"]["HsmId"]
    until(f"{made} ACTIVE", lambda: any(
        hsm["HsmId"] == made and hsm["State"] == "ACTIVE" for hsm in cluster(cluster_id)["Hsms"]))
    return made


def deleted_subnets():
    with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_portcullis/vpc") as reply:
        subnets = json.load(reply)["data"]["subnets"]
    return {name for name, subnet in subnets.items() if subnet["deleted"]}


def restore(backup, zones=None, like=None):
    """A cluster with the content of `backup`, in those subnets of its cluster that still exist, and
    an HSM in each of `zones`: by default in two."""
    mapping = (like or cluster(backup["ClusterId"]))["SubnetMapping"]
    gone = deleted_subnets()
    mapping = {zone: subnet for zone, subnet in sorted(mapping.items()) if subnet not in gone}
    made = cloudhsm.create_cluster(
        HsmType=backup.get("HsmType") or "hsm2m.medium", SubnetIds=list(mapping.values()),
        SourceBackupId=backup["BackupId"])["Cluster"]["ClusterId"]
    zones = list(mapping)[:2] if zones is None else zones
    for zone in zones:
        add_hsm(made, zone)
    if zones:
        until(f"{made} ACTIVE", lambda: cluster(made)["State"] == "ACTIVE")
    return made


def fresh_backup(cluster_id):
    """Adding an HSM makes the service take a backup; removing it again takes another."""
    extra = add_hsm(cluster_id, "us-east-1c")
    settle(cluster_id)
    cloudhsm.delete_hsm(ClusterId=cluster_id, HsmId=extra)
    until("the HSM is gone", lambda: all(
        hsm["HsmId"] != extra for hsm in cluster(cluster_id)["Hsms"]))
    settle(cluster_id)
    return backups(cluster_id)[-1]


def delete_cluster(cluster_id):
    for hsm in cluster(cluster_id)["Hsms"]:
        settle(cluster_id)
        cloudhsm.delete_hsm(ClusterId=cluster_id, HsmId=hsm["HsmId"])
    until("no HSM is left", lambda: not cluster(cluster_id)["Hsms"])
    settle(cluster_id)
    cloudhsm.delete_cluster(ClusterId=cluster_id)


def cli(cluster_id, *words, check=True, user="admin", password=ADMIN_PASSWORD):
    """A verb of the CloudHSM CLI, under a session of its own."""
    role = "admin" if user == "admin" else "crypto-user"
    environment = dict(os.environ, CLOUDHSM_ROLE=role, CLOUDHSM_PIN=f"{user}:{password}")
    done = subprocess.run(["portcullis", "cloudhsm-cli", "--cluster-id", cluster_id, *words],
                          env=environment, capture_output=True, text=True)
    assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
    return json.loads(done.stdout)


def kmsuser(cluster_id, verb, password):
    cli(cluster_id, "user", verb, "--username", "kmsuser", "--role", "crypto-user",
        "--password", password)


def disconnect():
    kms.disconnect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    wait_for("DISCONNECTED")


def update(**settings):
    kms.update_custom_key_store(CustomKeyStoreId=KEY_STORE, **settings)


def connect():
    kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    found = wait_for("CONNECTED", "FAILED")
    assert found["ConnectionState"] == "CONNECTED", found


def connect_fails_with(code):
    kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    found = wait_for("FAILED", "CONNECTED")
    assert found.get("ConnectionErrorCode") == code, found


def reset_password(cluster_id, password):
    """Credentials-only repair: an admin resets it, and the key store is told."""
    kmsuser(cluster_id, "change-password", password)
    update(KeyStorePassword=password)


def refused(code, call, **arguments):
    """`call` answers `code` and leaves the key store as it was. Gives the text."""
    before = store()
    try:
        call(**arguments)
    except kms.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        assert store() == before, f"{code} changed the key store"
        return error.response["Error"]["Message"]
    raise SystemExit(f"{code} expected, but the call succeeded")


def encrypt(key, text):
    return kms.encrypt(KeyId=key, Plaintext=text)["CiphertextBlob"]


def opens(blob, text):
    found = kms.decrypt(CiphertextBlob=blob)["Plaintext"]
    assert found == text, "a wrong plaintext"


def new_key(description):
    return kms.create_key(Origin="AWS_CLOUDHSM", CustomKeyStoreId=KEY_STORE,
                          Description=description)["KeyMetadata"]["KeyId"]
