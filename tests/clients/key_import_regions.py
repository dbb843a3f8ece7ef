"""Imported material of a multi-Region key: the same in every Region, and rotated when all have it."""

import os

import boto3

from key_import_support import NEVER, bring
from key_life_support import create, kms, metadata, opens, refused, seal

EXISTING = {"ImportType": "EXISTING_KEY_MATERIAL", **NEVER}
NEW = {"ImportType": "NEW_KEY_MATERIAL", **NEVER}
REGIONS = ("eu-west-1", "eu-central-1")
replicas = [boto3.client("kms", region_name=region) for region in REGIONS]


def states(key, client=kms):
    listed = client.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    return [(it["KeyMaterialState"], it["ImportState"]) for it in listed["Rotations"]]


first, second, third = (os.urandom(32) for _ in range(3))
key = create(Origin="EXTERNAL", MultiRegion=True)
# The primary comes first, and says which material it is.
refused("KMSInvalidStateException", kms.replicate_key, KeyId=key, ReplicaRegion=REGIONS[0])
bring(key, first)
kms.replicate_key(KeyId=key, ReplicaRegion=REGIONS[0])
assert metadata(key)["KeyState"] == "Enabled"
assert metadata(key, replicas[0])["KeyState"] == "PendingImport"
refused("IncorrectKeyMaterialException", bring, key=key, material=second, client=replicas[0])
bring(key, first, client=replicas[0])
blob = seal(key)
old = opens(blob, replicas[0])

# New material: the primary, then the replica, then the rotation.
refused("UnsupportedOperationException", bring, key=key, material=second, client=replicas[0], **NEW)
bring(key, second, **NEW)
waits = ("PENDING_MULTI_REGION_IMPORT_AND_ROTATION", "IMPORTED")
assert states(key) == [("CURRENT", "IMPORTED"), waits], states(key)
assert states(key, replicas[0])[1] == (waits[0], "PENDING_IMPORT"), states(key, replicas[0])
assert metadata(key, replicas[0])["KeyState"] == "Enabled"
refused("KMSInvalidStateException", kms.rotate_key_on_demand, KeyId=key)
bring(key, second, client=replicas[0], **EXISTING)
for client in (kms, replicas[0]):
    assert states(key, client)[1] == ("PENDING_ROTATION", "IMPORTED"), states(key, client)
refused("UnsupportedOperationException", replicas[0].rotate_key_on_demand, KeyId=key)
kms.rotate_key_on_demand(KeyId=key)
for client in (kms, replicas[0]):
    assert [it[0] for it in states(key, client)] == ["NON_CURRENT", "CURRENT"]
sealed = seal(key, replicas[0])
assert opens(sealed) == metadata(key)["CurrentKeyMaterialId"] != old == opens(blob, replicas[0])

# A replica that is made later wants both.
kms.replicate_key(KeyId=key, ReplicaRegion=REGIONS[1])
bring(key, second, client=replicas[1])
assert metadata(key, replicas[1])["KeyState"] == "PendingImport"
bring(key, first, client=replicas[1])
opens(blob, replicas[1])

# What is deleted in a replica is to be imported there again; in the primary it is gone everywhere.
bring(key, third, **NEW)
for client in replicas:
    bring(key, third, client=client, **EXISTING)
pending = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")
pending = pending["Rotations"][-1]["KeyMaterialId"]
replicas[0].delete_imported_key_material(KeyId=key, KeyMaterialId=pending)
assert states(key)[2] == waits and states(key, replicas[0])[2] == (waits[0], "PENDING_IMPORT")
assert states(key, replicas[1])[2] == ("PENDING_ROTATION", "IMPORTED")
kms.delete_imported_key_material(KeyId=key, KeyMaterialId=pending)
for client in (kms, *replicas):
    assert len(states(key, client)) == 2, states(key, client)
    opens(sealed, client)
refused("KMSInvalidStateException", kms.rotate_key_on_demand, KeyId=key)
