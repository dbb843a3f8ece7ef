"""The network of a cluster: where HSMs get their addresses, and what a key store says when it breaks."""

import json
import os
import time
import urllib.request

import boto3

CLUSTER, KEY_STORE = "cluster-222222222222", "cks-1234567890abcdef0"
A, B = "subnet-aaaaaaaa", "subnet-bbbbbbbb"

hsm, kms = boto3.client("cloudhsmv2"), boto3.client("kms")


def vpc(path="", body=None, method="POST"):
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"] + "/_portcullis/vpc" + path, method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))["data"]


def refused(code, help_with, call, **arguments):
    try:
        call(**arguments)
    except hsm.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        assert help_with in error.response["Error"]["Message"], error
    else:
        raise SystemExit(f"{code} expected, but the call succeeded")


def wait_for(state):
    end = time.monotonic() + 30
    while True:
        store = kms.describe_custom_key_stores(CustomKeyStoreId=KEY_STORE)["CustomKeyStores"][0]
        if store["ConnectionState"] == state:
            return store
        assert time.monotonic() < end, store
        time.sleep(0.02)


def connect():
    kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    wait_for("CONNECTED")


def disconnect():
    kms.disconnect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    wait_for("DISCONNECTED")


def connect_fails_with(code):
    kms.connect_custom_key_store(CustomKeyStoreId=KEY_STORE)
    assert wait_for("FAILED")["ConnectionErrorCode"] == code
    disconnect()


cluster = hsm.describe_clusters(Filters={"clusterIds": [CLUSTER]})["Clusters"][0]
assert cluster["VpcId"] == "vpc-12345678", cluster
assert cluster["SubnetMapping"] == {"us-east-1a": A, "us-east-1b": B}, cluster
assert sorted(one["EniIp"] for one in cluster["Hsms"]) == ["10.0.0.4", "10.0.1.4"], cluster
group = cluster["SecurityGroup"]
shown = vpc(method="GET")
assert shown["subnets"][A]["cidr"] == "10.0.0.0/28" and group in shown["security_groups"], shown

# An address of the subnet that is free: /28 gives out .4 to .14, and others have the highest eight.
invalid = "CloudHsmInvalidRequestException"
add = {"ClusterId": CLUSTER, "AvailabilityZone": "us-east-1a"}
for address, why in (("10.0.0.3", "from 10.0.0.4 to 10.0.0.14"), ("10.0.0.4", "Another HSM"),
                     ("10.0.0.7", "something else"), ("10.0.1.9", "from 10.0.0.4")):
    refused(invalid, why, hsm.create_hsm, **add, IpAddress=address)
assert hsm.create_hsm(**add, IpAddress="10.0.0.6")["Hsm"]["EniIp"] == "10.0.0.6"
assert hsm.create_hsm(**add)["Hsm"]["EniIp"] == "10.0.0.5"
refused(invalid, "no free address", hsm.create_hsm, **add)

# A full subnet, then a missing one, then a changed security group: each has its code, its repair.
disconnect()
connect_fails_with("INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET")
vpc(f"/subnets/{A}/take", {"addresses": 0})
connect()
disconnect()
vpc(f"/subnets/{B}/take", {"addresses": "all"})
connect_fails_with("INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET")
vpc(f"/subnets/{B}/delete")
connect_fails_with("SUBNET_NOT_FOUND")
refused(invalid, "was deleted", hsm.create_hsm, ClusterId=CLUSTER, AvailabilityZone="us-east-1b")
refused(invalid, "no subnet", hsm.create_cluster, HsmType="hsm2m.medium", Mode="FIPS",
        SubnetIds=[A, B])
vpc(f"/subnets/{B}/restore")
vpc(f"/subnets/{B}/take", {"addresses": 3})
connect()
disconnect()
rules = vpc(method="GET")["security_groups"][group]
vpc(f"/security-groups/{group}/rules", {"rules": rules[:1]})
refused("CloudHsmClusterInvalidConfigurationException", "security group",
        kms.connect_custom_key_store, CustomKeyStoreId=KEY_STORE)
vpc(f"/security-groups/{group}/rules", {"rules": rules})
connect()
vpc(f"/security-groups/{group}/rules", {"rules": []})
vpc(f"/security-groups/{group}/restore")
disconnect()
connect()

# A subnet that is made while everything runs; a cluster lies in one VPC.
vpc("/subnets", {"id": "subnet-cccccccc", "zone": "us-east-1d", "cidr": "172.31.48.0/20"})
refused(invalid, "one VPC", hsm.create_cluster, HsmType="hsm2m.medium", Mode="FIPS",
        SubnetIds=[A, "subnet-cccccccc"])
made = hsm.create_cluster(HsmType="hsm2m.medium", Mode="FIPS", SubnetIds=["subnet-cccccccc"])
assert made["Cluster"]["SubnetMapping"] == {"us-east-1d": "subnet-cccccccc"}, made
