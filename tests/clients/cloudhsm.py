"""All 18 operations of CloudHSM v2: answers, changes and refusals, as boto3 sees them."""

import json
import subprocess
import time

import boto3

PRIMARY = "cluster-222222222222"
called = set()


def client(account="000000000000", region="us-east-1"):
    made = boto3.client("cloudhsmv2", region_name=region, aws_access_key_id=account,
                        aws_secret_access_key="test")
    made.meta.events.register("before-call.cloudhsm-v2",
                              lambda model, **_: called.add(model.name))
    made.meta.events.register("before-call.cloudhsmv2",
                              lambda model, **_: called.add(model.name))
    return made


hsm = client()
kms = boto3.client("kms", aws_access_key_id="000000000000", aws_secret_access_key="test")


def refused(code, help_with, call, **arguments):
    try:
        call(**arguments)
    except hsm.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        assert help_with in error.response["Error"]["Message"], error
    else:
        raise SystemExit(f"{code} expected, but the call succeeded")


def cluster(cluster_id=PRIMARY):
    return hsm.describe_clusters(Filters={"clusterIds": [cluster_id]})["Clusters"][0]


def backups(service=hsm, **arguments):
    return [page for pages in service.get_paginator("describe_backups").paginate(**arguments)
            for page in pages["Backups"]]


INVALID, MISSING = "CloudHsmInvalidRequestException", "CloudHsmResourceNotFoundException"
NO_BACKUP, NO_CLUSTER = "backup-777777777777", "cluster-777777777777"

# A key of the key store is in the cluster's backups from here on.
sealed = kms.encrypt(KeyId="alias/keys", Plaintext=b"attack at dawn")["CiphertextBlob"]

# A cluster from nothing: CreateCluster, CreateHsm, InitializeCluster, DeleteHsm, DeleteCluster.
subnets = cluster()["SubnetMapping"]
made = hsm.create_cluster(HsmType="hsm2m.medium", Mode="FIPS", SubnetIds=sorted(subnets.values()),
                          BackupRetentionPolicy={"Type": "DAYS", "Value": "7"},
                          TagList=[{"Key": "team", "Value": "payments"}])["Cluster"]
fresh = made["ClusterId"]
assert made["State"] == "CREATE_IN_PROGRESS" and made["BackupRetentionPolicy"]["Value"] == "7", made
assert made["TagList"] == [{"Key": "team", "Value": "payments"}], made
zone = sorted(subnets)[0]
refused(INVALID, "has no certificate signing request", hsm.initialize_cluster, ClusterId=fresh,
        SignedCert="x", TrustAnchor="x")
first = hsm.create_hsm(ClusterId=fresh, AvailabilityZone=zone)["Hsm"]
assert first["State"] == "CREATE_IN_PROGRESS" and first["EniIp"], first
refused(INVALID, "more than one", hsm.create_hsm, ClusterId=fresh, AvailabilityZone=zone)
open("cluster.csr", "w").write(cluster(fresh)["Certificates"]["ClusterCsr"])
subprocess.run(
    "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=Root -keyout ca.key -out ca.crt"
    " && openssl x509 -req -days 9 -in cluster.csr -CA ca.crt -CAkey ca.key -CAcreateserial"
    " -out cluster.crt", shell=True, check=True, capture_output=True)
initialised = hsm.initialize_cluster(ClusterId=fresh, SignedCert=open("cluster.crt").read(),
                                     TrustAnchor=open("ca.crt").read())
assert initialised["State"] == "INITIALIZE_IN_PROGRESS", initialised
assert cluster(fresh)["State"] == "INITIALIZED"
refused(INVALID, "exactly one identifier", hsm.delete_hsm, ClusterId=fresh)
refused(INVALID, "without HSMs", hsm.delete_cluster, ClusterId=fresh)
assert hsm.delete_hsm(ClusterId=fresh, EniIp=first["EniIp"])["HsmId"] == first["HsmId"]

# Tags of a cluster.
hsm.tag_resource(ResourceId=fresh, TagList=[{"Key": "team", "Value": "cards"},
                                            {"Key": "env", "Value": ""}])
listed = hsm.list_tags(ResourceId=fresh)
assert listed["TagList"] == [{"Key": "env", "Value": ""}, {"Key": "team", "Value": "cards"}], listed
page = hsm.list_tags(ResourceId=fresh, MaxResults=1)
assert page["TagList"][0]["Key"] == "env" and page["NextToken"], page
page = hsm.list_tags(ResourceId=fresh, MaxResults=1, NextToken=page["NextToken"])
assert page["TagList"][0]["Key"] == "team" and "NextToken" not in page, page
hsm.untag_resource(ResourceId=fresh, TagKeyList=["env", "nowhere"])
assert cluster(fresh)["TagList"] == [{"Key": "team", "Value": "cards"}]
refused("CloudHsmTagException", "reserved", hsm.tag_resource, ResourceId=fresh,
        TagList=[{"Key": "aws:x", "Value": "y"}])
many = [{"Key": f"key{number}", "Value": "x"} for number in range(50)]
refused("CloudHsmResourceLimitExceededException", "50", hsm.tag_resource, ResourceId=fresh,
        TagList=many)
refused(MISSING, "DescribeClusters", hsm.list_tags, ResourceId=NO_CLUSTER)

deleted = hsm.delete_cluster(ClusterId=fresh)["Cluster"]
assert deleted["State"] == "DELETE_IN_PROGRESS", deleted
assert not hsm.describe_clusters(Filters={"clusterIds": [fresh]})["Clusters"]

# Backups: at activation and when the second HSM came; paged both ways, filtered.
taken = backups(PaginationConfig={"PageSize": 1})
assert len(taken) == 2 and all(one["ClusterId"] == PRIMARY for one in taken), taken
assert backups(SortAscending=True) == taken[::-1]
newest, oldest = taken
backup, arn = newest["BackupId"], newest["BackupArn"]
assert newest["HsmType"] == "hsm1.medium" and newest["BackupState"] == "READY", newest
for name, value, count in (("backupIds", backup, 1), ("clusterIds", PRIMARY, 2),
                           ("clusterIds", NO_CLUSTER, 0), ("states", "READY", 2),
                           ("states", "DELETED", 0), ("neverExpires", "true", 0),
                           ("sourceBackupIds", backup, 0)):
    assert len(backups(Filters={name: [value]})) == count, name
refused(INVALID, "sourceBackupIds", hsm.describe_backups, Filters={"colour": ["red"]})

# NeverExpires, deletion and its undoing.
kept = hsm.modify_backup_attributes(BackupId=backup, NeverExpires=True)["Backup"]
assert kept["NeverExpires"] is True, kept
assert len(backups(Filters={"neverExpires": ["true"]})) == 1
refused(INVALID, "READY", hsm.restore_backup, BackupId=backup)
gone = hsm.delete_backup(BackupId=oldest["BackupId"])["Backup"]
assert gone["BackupState"] == "PENDING_DELETION", gone
left = gone["DeleteTimestamp"].timestamp() - time.time()
assert 6.9 < left / 86400 < 7.1, gone
refused(INVALID, "PENDING_DELETION", hsm.delete_backup, BackupId=oldest["BackupId"])
refused(INVALID, "PENDING_DELETION", hsm.create_cluster, HsmType="hsm2m.medium", Mode="FIPS",
        SubnetIds=list(subnets.values()), SourceBackupId=oldest["BackupId"])
back = hsm.restore_backup(BackupId=oldest["BackupId"])["Backup"]
assert back["BackupState"] == "READY" and "DeleteTimestamp" not in back, back
for call in (hsm.delete_backup, hsm.restore_backup):
    refused(MISSING, "DescribeBackups", call, BackupId=NO_BACKUP)
refused(MISSING, "DescribeBackups", hsm.modify_backup_attributes, BackupId=NO_BACKUP,
        NeverExpires=True)

# A copy in another Region, and a cluster made of it there, which has the same keys and identity.
hsm.tag_resource(ResourceId=backup, TagList=[{"Key": "copy", "Value": "me"}])
copied = hsm.copy_backup_to_region(BackupId=backup, DestinationRegion="eu-west-1")
copied = copied["DestinationBackup"]
assert copied["SourceBackup"] == backup and copied["SourceRegion"] == "us-east-1", copied
assert copied["SourceCluster"] == PRIMARY, copied
assert copied["CreateTimestamp"] == newest["CreateTimestamp"], copied
ireland = client(region="eu-west-1")
there, = backups(ireland, Filters={"sourceBackupIds": [backup]})
assert there["BackupState"] == "READY" and there["BackupId"] != backup, there
assert there["CopyTimestamp"] >= there["CreateTimestamp"], there
assert there["TagList"] == [{"Key": "copy", "Value": "me"}], there
refused(INVALID, "another DestinationRegion", hsm.copy_backup_to_region, BackupId=backup,
        DestinationRegion="us-east-1")
refused(MISSING, "DescribeBackups", hsm.copy_backup_to_region, BackupId=NO_BACKUP,
        DestinationRegion="eu-west-1")

# Shared with another account by a resource policy.
other = client(account="444455556666")
refused(MISSING, "DescribeBackups", other.create_cluster, HsmType="hsm2m.medium", Mode="FIPS",
        SubnetIds=list(subnets.values()), SourceBackupId=arn)
policy = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
    "Action": ["cloudhsm:CreateCluster", "cloudhsm:DescribeBackups"], "Resource": arn}]})
refused(INVALID, "resource policy", hsm.put_resource_policy, ResourceArn=arn, Policy="{}")
refused("CloudHsmAccessDeniedException", "owner", other.put_resource_policy, ResourceArn=arn,
        Policy=policy)
put = hsm.put_resource_policy(ResourceArn=arn, Policy=policy)
assert put["ResourceArn"] == arn and put["Policy"] == policy, put
assert hsm.get_resource_policy(ResourceArn=arn)["Policy"] == policy
assert not backups(other)
shared, = backups(other, Shared=True)
assert shared["BackupArn"] == arn, shared
theirs = other.create_cluster(HsmType="hsm2m.medium", Mode="FIPS",
                              SubnetIds=list(subnets.values()), SourceBackupId=arn)["Cluster"]
assert theirs["Certificates"] == cluster()["Certificates"], "the same lineage"
other.create_hsm(ClusterId=theirs["ClusterId"], AvailabilityZone=zone)
shown, = other.describe_clusters()["Clusters"]
assert shown["State"] == "ACTIVE" and shown["Hsms"][0]["State"] == "ACTIVE", shown
removed = hsm.delete_resource_policy(ResourceArn=arn)
assert removed["Policy"] == policy, removed
assert "Policy" not in hsm.get_resource_policy(ResourceArn=arn)
assert not backups(other, Shared=True)
refused(INVALID, "only backups", hsm.get_resource_policy,
        ResourceArn="arn:aws:cloudhsm:us-east-1:000000000000:cluster/" + PRIMARY)

# ModifyCluster: retention, then the migration to the newer HSM type and back.
changed = hsm.modify_cluster(ClusterId=PRIMARY, BackupRetentionPolicy={"Type": "DAYS",
                                                                       "Value": "365"})
assert changed["Cluster"]["BackupRetentionPolicy"]["Value"] == "365", changed
refused(INVALID, "7 to 379", hsm.modify_cluster, ClusterId=PRIMARY,
        BackupRetentionPolicy={"Type": "DAYS", "Value": "6"})
refused(INVALID, "HsmType or BackupRetentionPolicy", hsm.modify_cluster, ClusterId=PRIMARY)
refused(INVALID, "already", hsm.modify_cluster, ClusterId=PRIMARY, HsmType="hsm1.medium")
refused(MISSING, "DescribeClusters", hsm.modify_cluster, ClusterId=NO_CLUSTER,
        HsmType="hsm2m.medium")


def addresses():
    return sorted((one["AvailabilityZone"], one["EniIp"]) for one in cluster()["Hsms"])


before, ids = addresses(), {one["HsmId"] for one in cluster()["Hsms"]}
count = len(backups())
changed = hsm.modify_cluster(ClusterId=PRIMARY, HsmType="hsm2m.medium")["Cluster"]
assert changed["State"] == "MODIFY_IN_PROGRESS", changed
left = changed["HsmTypeRollbackExpiration"].timestamp() - time.time()
assert 23 < left / 3600 < 25, changed
after = cluster()
assert after["State"] == "ACTIVE" and after["HsmType"] == "hsm2m.medium", after
assert all(one["HsmType"] == "hsm2m.medium" and one["State"] == "ACTIVE"
           for one in after["Hsms"]), after
assert addresses() == before, "the replacements keep their addresses"
assert ids.isdisjoint(one["HsmId"] for one in after["Hsms"]), "every HSM is another one"
assert len(backups()) == count + 2, "a backup before each replacement"

end = time.monotonic() + 30
while True:
    try:
        assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"attack at dawn"
        break
    except kms.exceptions.KMSInvalidStateException:
        assert time.monotonic() < end, "the connected key store does not find the new HSMs"
        time.sleep(0.1)

changed = hsm.modify_cluster(ClusterId=PRIMARY, HsmType="hsm1.medium")["Cluster"]
assert changed["State"] == "ROLLBACK_IN_PROGRESS", changed
assert "HsmTypeRollbackExpiration" not in changed, changed
after = cluster()
assert after["State"] == "ACTIVE" and after["HsmType"] == "hsm1.medium", after
assert {one["HsmType"] for one in after["Hsms"]} == {"hsm1.medium"}, after

operations = set(hsm.meta.service_model.operation_names)
assert len(operations) == 18 and called == operations, operations - called
