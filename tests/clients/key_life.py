"""Tags, policies, rotation on the clock, multi-Region keys, AWS managed keys and last use."""

import json

import boto3

from key_life_support import advance, create, kms, metadata, opens, refused, seal

# Tags and policies.
key = create(Tags=[{"TagKey": "team", "TagValue": "red"}])
kms.tag_resource(KeyId=key, Tags=[{"TagKey": "team", "TagValue": "blue"},
                                  {"TagKey": "cost", "TagValue": ""}])
kms.untag_resource(KeyId=key, TagKeys=["cost"])
tags = kms.get_paginator("list_resource_tags").paginate(KeyId=key).build_full_result()["Tags"]
assert tags == [{"TagKey": "team", "TagValue": "blue"}], tags
refused("TagException", kms.tag_resource, KeyId=key, Tags=[{"TagKey": "aws:x", "TagValue": ""}])
assert kms.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
policy = json.loads(kms.get_key_policy(KeyId=key)["Policy"])
assert policy["Statement"][0]["Sid"] == "Enable IAM User Permissions", policy
policy["Statement"][0]["Sid"] = "Mine"
kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
assert json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]) == policy
refused("MalformedPolicyDocumentException", kms.put_key_policy, KeyId=key, Policy="{}")
kms.update_key_description(KeyId=key, Description="another")
assert metadata(key)["Description"] == "another"

# Rotation on the clock: what was sealed before still opens, with the material of before.
assert kms.get_key_last_usage(KeyId=key)["KeyLastUsage"] == {}
before = seal(key)
used = kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]
assert used["Operation"] == "Encrypt", used
first = metadata(key)["CurrentKeyMaterialId"]
refused("NotFoundException", kms.enable_key_rotation, KeyId="alias/quickstart")
refused("ValidationException", kms.enable_key_rotation, KeyId=key, RotationPeriodInDays=2561)
kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
status = kms.get_key_rotation_status(KeyId=key)
assert status["KeyRotationEnabled"] and status["RotationPeriodInDays"] == 90, status
advance("91d")
second = metadata(key)["CurrentKeyMaterialId"]
assert second != first
after = seal(key)
assert (opens(before), opens(after)) == (first, second)
assert kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]["Operation"] == "Decrypt"
kms.rotate_key_on_demand(KeyId=key)
rotations = kms.get_paginator("list_key_rotations").paginate(
    KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL").build_full_result()["Rotations"]
assert [it.get("RotationType") for it in rotations] == [None, "AUTOMATIC", "ON_DEMAND"]
assert [it["KeyMaterialState"] for it in rotations] == ["NON_CURRENT", "NON_CURRENT", "CURRENT"]
assert rotations[1]["KeyMaterialId"] == second
kms.disable_key_rotation(KeyId=key)
assert not kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]

# A key of a key store has none of it.
store = kms.describe_key(KeyId="alias/quickstart")["KeyMetadata"]["KeyId"]
for call in [kms.enable_key_rotation, kms.disable_key_rotation, kms.rotate_key_on_demand,
             kms.delete_imported_key_material]:
    refused("UnsupportedOperationException", call, KeyId=store)
assert kms.get_key_rotation_status(KeyId=store)["KeyRotationEnabled"] is False
assert not kms.list_key_rotations(KeyId=store, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
refused("UnsupportedOperationException", kms.replicate_key, KeyId=store, ReplicaRegion="eu-west-1")

# One multi-Region key in two Regions.
multi = create(MultiRegion=True)
assert multi.startswith("mrk-"), multi
elsewhere = boto3.client("kms", region_name="eu-west-1")
made = kms.replicate_key(KeyId=multi, ReplicaRegion="eu-west-1", Description="there")
assert made["ReplicaKeyMetadata"]["Arn"].split(":")[3] == "eu-west-1", made
assert metadata(multi, elsewhere)["Description"] == "there"
opens(seal(multi), elsewhere)
opens(seal(multi, elsewhere))
kms.rotate_key_on_demand(KeyId=multi)
opens(seal(multi), elsewhere)
home = kms.meta.region_name
kms.update_primary_region(KeyId=multi, PrimaryRegion="eu-west-1")
configuration = metadata(multi)["MultiRegionConfiguration"]
assert configuration["MultiRegionKeyType"] == "REPLICA", configuration
assert configuration["PrimaryKey"]["Region"] == "eu-west-1", configuration
assert [it["Region"] for it in configuration["ReplicaKeys"]] == [home], configuration
reply = elsewhere.schedule_key_deletion(KeyId=multi, PendingWindowInDays=7)
assert reply["KeyState"] == "PendingReplicaDeletion" and "DeletionDate" not in reply, reply

# AWS managed keys come with the first use of their alias, and are not their account's to change.
listed = kms.get_paginator("list_aliases").paginate().build_full_result()["Aliases"]
ebs = next(it for it in listed if it["AliasName"] == "alias/aws/ebs")
assert "TargetKeyId" not in ebs, ebs
managed = metadata("alias/aws/ebs")
assert managed["KeyManager"] == "AWS", managed
assert kms.get_key_rotation_status(KeyId=managed["KeyId"])["KeyRotationEnabled"]
opens(seal("alias/aws/s3"))
for call in [kms.disable_key, kms.schedule_key_deletion, kms.disable_key_rotation]:
    refused("AccessDeniedException", call, KeyId=managed["KeyId"])
refused("AccessDeniedException", kms.delete_alias, AliasName="alias/aws/ebs")
refused("AccessDeniedException", kms.update_alias, AliasName="alias/aws/ebs", TargetKeyId=key)
