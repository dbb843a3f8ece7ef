"""The repair of a key store, step by step, and everything that may go wrong on the way."""

import threading

from repair import *

ORIGINAL = store()["CloudHsmClusterId"]
UNRELATED = "cluster-222222222222"
first_layout = cluster(ORIGINAL)


def state_of(key):
    return kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]


def unusable(key, blob):
    """A key without material in the cluster shows Enabled and fails as documented."""
    assert state_of(key) == "Enabled"
    refused("KMSInvalidStateException", kms.decrypt, CiphertextBlob=blob)
    refused("KMSInvalidStateException", kms.encrypt, KeyId=key, Plaintext=b"x")


def in_flight_at_disconnect():
    """Each call ends in success or KMSInvalidStateException; none succeeds after DISCONNECTED."""
    answers, stop = [], threading.Event()

    def call():
        client = boto3.client("kms")
        while not stop.is_set():
            began = time.monotonic()
            try:
                client.encrypt(KeyId="alias/keys", Plaintext=b"traffic")
                answers.append((began, "ok"))
            except client.exceptions.ClientError as error:
                answers.append((began, error.response["Error"]["Code"]))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    until("traffic", lambda: len(answers) > 20)
    disconnect()
    disconnected = time.monotonic()
    until("refusals", lambda: sum(at > disconnected for at, _ in answers) > 20)
    stop.set()
    for thread in threads:
        thread.join(timeout=PATIENCE_SECONDS)
        assert not thread.is_alive(), "a call hangs"
    assert {code for _, code in answers} == {"ok", "KMSInvalidStateException"}, answers
    late = {code for at, code in answers if at > disconnected}
    assert late == {"KMSInvalidStateException"}, late


def refusals():
    """Substitutes that are none; the key store and its traffic stay as they are."""
    sealed = encrypt("alias/keys", b"before")
    refused("CustomKeyStoreInvalidStateException", update, CloudHsmClusterId=UNRELATED)
    opens(sealed, b"before")
    newest = backups(ORIGINAL)[-1]
    coming = restore(newest, zones=())
    half = restore(newest, zones=["us-east-1a"])
    lopsided = restore(newest, zones=["us-east-1a", "us-east-1a"])
    in_flight_at_disconnect()
    refused("CloudHsmClusterNotRelatedException", update, CloudHsmClusterId=UNRELATED)
    # One that is ACTIVE without an HSM is no better.
    for one in (coming, half, lopsided):
        refused("CloudHsmClusterInvalidConfigurationException", update, CloudHsmClusterId=one)
    refused("CloudHsmClusterInUseException", kms.create_custom_key_store,
            CustomKeyStoreName="Second", CloudHsmClusterId=half, KeyStorePassword="kmsPassword",
            TrustAnchorCertificate=store()["TrustAnchorCertificate"])
    connect()
    opens(sealed, b"before")
    for one in (coming, half, lopsided):
        delete_cluster(one)


def newest_backup_needs_no_reset():
    """A backup taken after the last connect has the password that KMS knows."""
    sealed = encrypt("alias/keys", b"in the backup")
    substitute = restore(fresh_backup(ORIGINAL))
    assert (cluster(substitute)["Certificates"]["ClusterCertificate"]
            == cluster(ORIGINAL)["Certificates"]["ClusterCertificate"])
    refused("CloudHsmClusterInUseException", kms.create_custom_key_store,
            CustomKeyStoreName="Second", CloudHsmClusterId=substitute,
            KeyStorePassword="kmsPassword",
            TrustAnchorCertificate=store()["TrustAnchorCertificate"])
    disconnect()
    update(CloudHsmClusterId=substitute)
    connect()
    opens(sealed, b"in the backup")
    return substitute


def older_backup_needs_a_reset(backup, substitute):
    """KMS rotates at every connect: an older backup has another password, and not every key."""
    sealed = encrypt("alias/keys", b"in both")
    newer = new_key("newer than the backup")
    lost = encrypt(newer, b"only here")
    older = restore(backup, like=first_layout)
    disconnect()
    update(CloudHsmClusterId=older)
    connect_fails_with("INVALID_CREDENTIALS")
    disconnect()
    reset_password(older, "freshPassword1")
    connect()
    opens(sealed, b"in both")
    unusable(newer, lost)
    # Keys made here are not on the cluster before, and those missing here work again there.
    here = new_key("made on the substitute")
    only_here = encrypt(here, b"here")
    disconnect()
    update(CloudHsmClusterId=substitute)
    connect_fails_with("INVALID_CREDENTIALS")
    disconnect()
    reset_password(substitute, "freshPassword2")
    connect()
    opens(lost, b"only here")
    opens(sealed, b"in both")
    unusable(here, only_here)
    for key in (newer, here):
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    delete_cluster(older)


def backup_before_the_user():
    """A backup that predates kmsuser: the user is created in the substitute."""
    predates = restore(backups(ORIGINAL)[0], like=first_layout)
    before = store()["CloudHsmClusterId"]
    disconnect()
    update(CloudHsmClusterId=predates)
    connect_fails_with("USER_NOT_FOUND")
    kmsuser(predates, "create", "freshPassword3")
    disconnect()
    update(KeyStorePassword="freshPassword3")
    connect()
    disconnect()
    update(CloudHsmClusterId=before)
    connect_fails_with("INVALID_CREDENTIALS")
    disconnect()
    reset_password(before, "freshPassword4")
    connect()
    delete_cluster(predates)


def lockout_travels_in_the_backup(current):
    """Failed logins are counted in the backup, too."""
    disconnect()
    reset_password(current, "freshPassword5")
    for _ in range(6):
        cli(current, "user", "change-password", "--username", "kmsuser", "--role", "crypto-user",
            "--password", "neverSet1", check=False, user="kmsuser", password="wrongPassword")
    locked = restore(fresh_backup(current))
    update(CloudHsmClusterId=locked)
    connect_fails_with("USER_LOCKED_OUT")
    disconnect()
    reset_password(locked, "freshPassword6")
    connect()
    delete_cluster(current)
    return locked


def material_deleted_since_is_back(current):
    """Material lost since the backup works again; that of a key which KMS deleted is an orphan."""
    lost, deleted = new_key("lost by hand"), new_key("deleted by KMS")
    sealed = encrypt(lost, b"before the loss")
    arn = {key: kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"] for key in (lost, deleted)}
    backup = fresh_backup(current)

    kms.schedule_key_deletion(KeyId=deleted, PendingWindowInDays=7)
    subprocess.run(["portcullis", "clock", "advance", "8d"], check=True, capture_output=True)
    until("KMS deletes the key", lambda: gone_for_good(deleted))
    until("its material goes", lambda: materials(current, arn[deleted]) == 0)
    disconnect()
    reset_password(current, "freshPassword7")
    cli(current, "key", "delete", "--filter", f"attr.label={arn[lost]}", user="kmsuser",
        password="freshPassword7")
    connect()
    unusable(lost, sealed)

    substitute = restore(backup)
    disconnect()
    update(CloudHsmClusterId=substitute)
    reset_password(substitute, "freshPassword8")
    connect()
    opens(sealed, b"before the loss")
    assert gone_for_good(deleted)
    assert materials(substitute, arn[deleted]) == 1, "the orphan is not back"
    disconnect()
    cli(substitute, "user", "change-password", "--username", "kmsuser", "--role", "crypto-user",
        "--password", "freshPassword9")
    cli(substitute, "key", "delete", "--filter", f"attr.label={arn[deleted]}", user="kmsuser",
        password="freshPassword9")
    assert materials(substitute, arn[deleted]) == 0
    update(KeyStorePassword="freshPassword9")
    connect()
    delete_cluster(current)
    return substitute


def gone_for_good(key):
    try:
        kms.describe_key(KeyId=key)
    except kms.exceptions.NotFoundException:
        return True
    return False


def materials(cluster_id, label):
    """How many keys of the cluster carry the ARN of a KMS key."""
    found = cli(cluster_id, "key", "list", "--filter", f"attr.label={label}")
    return found["data"]["total_key_count"]


def complete_repair(gone):
    """The cluster is lost while the key store is CONNECTED: every step of the guide."""
    sealed = encrypt("alias/keys", b"attack at dawn")
    backup = fresh_backup(gone)
    shape = cluster(gone)
    delete_cluster(gone)
    until("the loss shows", lambda: fails("alias/keys"))
    assert store()["ConnectionState"] == "CONNECTED"
    assert state_of("alias/keys") == "Enabled"
    found = backups(gone)
    assert backup["BackupId"] in {one["BackupId"] for one in found}
    substitute = restore(found[-1], like=shape)
    assert (cluster(substitute)["Certificates"]["ClusterCertificate"]
            == shape["Certificates"]["ClusterCertificate"])
    disconnect()
    update(CloudHsmClusterId=substitute)
    connect()
    assert state_of("alias/keys") == "Enabled"
    opens(sealed, b"attack at dawn")


def fails(key):
    try:
        kms.encrypt(KeyId=key, Plaintext=b"x")
    except kms.exceptions.KMSInvalidStateException:
        return True
    return False


refusals()
older = fresh_backup(ORIGINAL)
disconnect()
connect()
current = newest_backup_needs_no_reset()
older_backup_needs_a_reset(older, current)
backup_before_the_user()
current = lockout_travels_in_the_backup(current)
current = material_deleted_since_is_back(current)
complete_repair(current)
print("the runbook works")
