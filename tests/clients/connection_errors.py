"""Every ConnectionErrorCode of a CloudHSM key store: made, read, fixed as documented."""

import urllib.request

from repair import *

PRIMARY = store()["CloudHsmClusterId"]
HSMS = sorted(hsm["HsmId"] for hsm in cluster(PRIMARY)["Hsms"])
seen = set()
passwords = (f"setPassword{number}" for number in range(100))
current = None


def chaos(*words):
    done = subprocess.run(["portcullis", "chaos", *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return json.loads(done.stdout)


def inject(*words):
    return chaos("inject", *words)["id"]


def inject_now(**order):
    """The same over HTTP, quickly enough to meet a connect that is under way."""
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"] + "/_portcullis/chaos", json.dumps(order).encode(),
        {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["data"]["id"]


def failed_with(code):
    """The connect that is under way fails with `code`, which says how it is repaired."""
    found = wait_for("FAILED", "CONNECTED")
    assert found.get("ConnectionErrorCode") == code, (code, found)
    # A FAILED key store is connected again only after a disconnect.
    refused("CustomKeyStoreInvalidStateException", kms.connect_custom_key_store,
            CustomKeyStoreId=KEY_STORE)
    seen.add(code)


def fails_with(code):
    kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    failed_with(code)


def reset(cluster_id=PRIMARY):
    global current
    current = next(passwords)
    reset_password(cluster_id, current)


def reconnected():
    disconnect()
    connect()
    opens(sealed, b"before")


sealed = encrypt("alias/keys", b"before")

# INVALID_CREDENTIALS: the password is changed in the cluster while the key store is disconnected.
disconnect()
kmsuser(PRIMARY, "change-password", "changedPassword")
fails_with("INVALID_CREDENTIALS")
disconnect()
update(KeyStorePassword="changedPassword")
connect()
opens(sealed, b"before")

# The same by a fault, on one HSM of two.
disconnect()
fault = inject("change-kmsuser-password", "--hsm", HSMS[0])
fails_with("INVALID_CREDENTIALS")
disconnect()
reset()
connect()
chaos("undo", fault)  # it was repaired: nothing is undone
reconnected()

# USER_LOCKED_OUT: five wrong passwords.
disconnect()
chaos("inject", "lock-kmsuser", "--cluster", PRIMARY)
fails_with("USER_LOCKED_OUT")
disconnect()
reset()
connect()
chaos("clear")
reconnected()

# USER_LOGGED_IN: somebody is logged in as kmsuser.
disconnect()
reset()
cli(PRIMARY, "login", "--username", "kmsuser", "--role", "crypto-user", "--password", current)
fails_with("USER_LOGGED_IN")
cli(PRIMARY, "logout")
reconnected()

# USER_NOT_FOUND: there is no kmsuser.
disconnect()
chaos("inject", "remove-kmsuser", "--cluster", PRIMARY)
fails_with("USER_NOT_FOUND")
kmsuser(PRIMARY, "create", "createdPassword")
disconnect()
update(KeyStorePassword="createdPassword")
connect()
opens(sealed, b"before")
chaos("clear")
reconnected()

# INSUFFICIENT_CLOUDHSM_HSMS: no HSM is active any more when the connect comes to it.
disconnect()
kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
inject_now(kind="degrade", cluster=PRIMARY)
failed_with("INSUFFICIENT_CLOUDHSM_HSMS")
disconnect()
# With none at the call, the call itself refuses.
refused("CloudHsmClusterInvalidConfigurationException", kms.connect_custom_key_store,
        CustomKeyStoreId=KEY_STORE)
chaos("clear")
connect()
opens(sealed, b"before")

# NETWORK_ERRORS: every HSM is cut off while the key store is CONNECTING, either way.
for direction in ("to-hsm", "from-hsm", "both"):
    disconnect()
    kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    fault = inject_now(kind="partition", cluster=PRIMARY, direction=direction)
    failed_with("NETWORK_ERRORS")
    chaos("undo", fault)
    reconnected()

# Also by the security group, whose rules are lost on the way, and which heals by itself.
disconnect()
kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
inject_now(kind="close-security-group", cluster=PRIMARY, duration_ms=2000)
failed_with("NETWORK_ERRORS")
until("the fault is over", lambda: not chaos("list", "--output", "json")["faults"])
reconnected()

# SUBNET_NOT_FOUND and INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET.
for kind, code in (("delete-subnet", "SUBNET_NOT_FOUND"),
                   ("fill-subnet", "INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET")):
    disconnect()
    fault = inject(kind, "--cluster", PRIMARY)
    fails_with(code)
    if kind == "fill-subnet":
        chaos("undo", fault)  # addresses are freed
        reconnected()
    else:
        disconnect()
        substitute = restore(fresh_backup(PRIMARY))
        update(CloudHsmClusterId=substitute)
        connect()
        opens(sealed, b"before")
        disconnect()
        chaos("undo", fault)
        update(CloudHsmClusterId=PRIMARY)
        reset()
        connect()
        opens(sealed, b"before")

# INTERNAL_ERROR: no HSM can record anything.
disconnect()
fault = inject("fill-disk", "--cluster", PRIMARY)
fails_with("INTERNAL_ERROR")
chaos("undo", fault)
reconnected()

# CLUSTER_NOT_FOUND: the cluster is gone; a backup is the way back.
shape = cluster(PRIMARY)
backup = fresh_backup(PRIMARY)
disconnect()
inject("delete-cluster", "--cluster", PRIMARY)
fails_with("CLUSTER_NOT_FOUND")
substitute = restore(backup, like=shape)
disconnect()
update(CloudHsmClusterId=substitute)
connect()
opens(sealed, b"before")

assert len(seen) == 10, sorted(seen)
print("all ten codes were made and mended")
