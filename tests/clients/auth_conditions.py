"""Conditions that deny, as boto3 sees them: each fires, or it was told that it does not."""

import json
import os
import sys
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

KEY = "0a1b2c3d-0a1b-4c3d-8e5f-0a1b2c3d4e5f"
OWNER = "arn:aws:iam::111122223333:root"
ROLE = "arn:aws:iam::111122223333:role/Deploy"
SESSION = "arn:aws:sts::111122223333:assumed-role/Deploy/build-7"


def client(access_key, secret, service="kms", token=None, agent=None):
    return boto3.client(
        service,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, user_agent=agent),
    )


def refused(code, part, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]
        assert found["Code"] == code, (part, found)
        assert part in found["Message"], found
        return
    raise AssertionError(f"{code} expected: {part} {arguments}")


def denied(call, **arguments):
    refused("AccessDeniedException", "explicit deny", call, **arguments)


owner = client("111122223333", "test")
alice = client("AKIAALICE", "alice-secret")
deploy = client("ASIADEPLOY", "deploy-secret", token="a-session-token")
ROOT = {"Effect": "Allow", "Principal": {"AWS": OWNER}, "Action": "kms:*", "Resource": "*"}
LET_DEPLOY = {**ROOT, "Principal": {"AWS": ROLE}}


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def deny(condition, action="kms:*", **who):
    return {"Effect": "Deny", **(who or {"Principal": "*"}), "Action": action, "Resource": "*",
            "Condition": condition}


def put(*statements):
    # Who denies all of KMS shuts the owner out too: only the uses of a key are denied here.
    owner.put_key_policy(KeyId=KEY, Policy=policy(ROOT, LET_DEPLOY, *statements))


def encrypt(**context):
    return owner.encrypt(KeyId=KEY, Plaintext=b"x", EncryptionContext=context)


def where_it_comes_from():
    put(deny({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, "kms:Encrypt"))
    denied(encrypt)
    put(deny({"NotIpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]}}, "kms:Encrypt"))
    encrypt()
    put(deny({"Bool": {"aws:SecureTransport": "false"}}, "kms:Encrypt"))
    denied(encrypt)
    put(deny({"StringLike": {"aws:UserAgent": "*curious*"}}, "kms:Encrypt"))
    encrypt()
    denied(client("111122223333", "test", agent="curious/1.0").encrypt, KeyId=KEY, Plaintext=b"x")


def same_key():
    other = owner.create_key(Policy=policy(
        ROOT, deny({"Bool": {"kms:ReEncryptOnSameKey": "false"}}, "kms:ReEncrypt*")
    ))["KeyMetadata"]["KeyId"]
    put(deny({"Bool": {"kms:ReEncryptOnSameKey": "false"}}, "kms:ReEncrypt*"))
    sealed = encrypt()["CiphertextBlob"]
    denied(owner.re_encrypt, CiphertextBlob=sealed, DestinationKeyId=other)
    for name in [KEY, "alias/payments"]:
        owner.re_encrypt(CiphertextBlob=sealed, DestinationKeyId=name, SourceKeyId=KEY)
        owner.re_encrypt(CiphertextBlob=sealed, DestinationKeyId=name)
    put(deny({"Bool": {"kms:ReEncryptOnSameKey": "true"}}, "kms:ReEncrypt*"))
    denied(owner.re_encrypt, CiphertextBlob=sealed, DestinationKeyId=KEY)


def encryption_contexts():
    put(deny({"StringEquals": {"kms:EncryptionContext:App": "bad"}}, "kms:Encrypt"))
    denied(encrypt, App="bad")
    denied(encrypt, app="good", App="bad")
    denied(encrypt, App="good", app="bad")
    denied(encrypt, aPP="bad")
    encrypt(App="good", app="fine")
    put(deny({"StringNotEquals": {"kms:EncryptionContext:App": "good"}}, "kms:Encrypt"))
    denied(encrypt, App="good", app="bad")
    encrypt(App="good", app="good")


def grants():
    grant = {"KeyId": KEY, "GranteePrincipal": ROLE, "Operations": ["Encrypt"]}
    service = {"KeyId": KEY, "GranteeServicePrincipal": "rds.amazonaws.com",
               "RetiringServicePrincipal": "ec2.amazonaws.com", "Operations": ["Encrypt"],
               "Constraints": {"SourceArn": "arn:aws:rds:us-east-1:111122223333:db:orders"}}
    for condition in [
            {"StringEquals": {"kms:GranteeServicePrincipal": "rds.amazonaws.com"}},
            {"StringEquals": {"kms:RetiringServicePrincipal": "ec2.amazonaws.com"}},
            {"ArnLike": {"kms:GrantConstraintSourceArn": "arn:aws:rds:*:*:db:*"}}]:
        put(deny(condition, "kms:CreateGrant"))
        denied(owner.create_grant, **service)
        owner.create_grant(**grant)
    put(deny({"StringEquals": {"kms:EncryptionContext:App": "x"}}, "kms:CreateGrant"))
    limits = {"EncryptionContextSubset": {"App": "x"}}
    denied(owner.create_grant, **grant, Constraints=limits)
    put()
    made = owner.create_grant(**grant, Constraints=limits)["GrantId"]
    put(deny({"StringEquals": {"kms:GrantConstraintType": "EncryptionContextSubset"}},
             "kms:RetireGrant"))
    denied(owner.retire_grant, KeyId=owner.describe_key(KeyId=KEY)["KeyMetadata"]["Arn"], GrantId=made)
    put(deny({"Bool": {"kms:GrantIsForAWSResource": "false"}}, ["kms:ListGrants", "kms:Encrypt"]))
    denied(owner.list_grants, KeyId=KEY)
    encrypt()


def other_requests():
    put(deny({"NumericLessThanEquals": {"kms:TrailingDaysWithoutKeyUsage": "90"}}, "kms:DisableKey"))
    denied(owner.disable_key, KeyId=KEY)
    put(deny({"NumericGreaterThan": {"kms:RotationPeriodInDays": "200"}}, "kms:EnableKeyRotation"))
    denied(owner.enable_key_rotation, KeyId=KEY)
    owner.enable_key_rotation(KeyId=KEY, RotationPeriodInDays=100)
    put(deny({"StringEquals": {"kms:CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"}}, "kms:Encrypt"))
    denied(encrypt)
    rsa = owner.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT", Policy=policy(ROOT, deny(
        {"StringEquals": {"kms:EncryptionAlgorithm": "RSAES_OAEP_SHA_1"}}, "kms:ReEncryptFrom")))
    rsa = rsa["KeyMetadata"]["KeyId"]
    put()
    for algorithm, call in [("RSAES_OAEP_SHA_1", denied), ("RSAES_OAEP_SHA_256", lambda it, **given: it(**given))]:
        sealed = owner.encrypt(KeyId=rsa, Plaintext=b"x", EncryptionAlgorithm=algorithm)
        call(owner.re_encrypt, CiphertextBlob=sealed["CiphertextBlob"], SourceKeyId=rsa,
             SourceEncryptionAlgorithm=algorithm, DestinationKeyId=KEY)


def who():
    # All but the role: its session is meant too, unless all three are named.
    for listed, lets_in in [([ROLE, OWNER], False), ([SESSION, OWNER], False), ([SESSION, ROLE], False),
                            ([SESSION, ROLE, OWNER], True)]:
        put(deny({"StringEquals": {"kms:CallerAccount": "111122223333"}}, "kms:GenerateMac"),
            {"Effect": "Deny", "NotPrincipal": {"AWS": listed}, "Action": "kms:Encrypt", "Resource": "*"})
        if lets_in:
            deploy.encrypt(KeyId=KEY, Plaintext=b"x")
        else:
            denied(deploy.encrypt, KeyId=KEY, Plaintext=b"x")
    put(deny({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, "kms:Encrypt"))
    denied(deploy.encrypt, KeyId=KEY, Plaintext=b"x")
    encrypt()
    put()
    denied(alice.create_key)
    denied(alice.create_key, Tags=[{"TagKey": "team", "TagValue": "red"}])
    own = alice.create_key(Tags=[{"TagKey": "Team", "TagValue": "blue"}])["KeyMetadata"]["KeyId"]
    alice.generate_data_key(KeyId=own, KeySpec="AES_128")
    alice.tag_resource(KeyId=own, Tags=[{"TagKey": "Stage", "TagValue": "prod"},
                                        {"TagKey": "stage", "TagValue": "dev"}])
    denied(alice.generate_data_key, KeyId=own, KeySpec="AES_128")
    hsm = client("AKIAALICE", "alice-secret", "cloudhsmv2")
    cluster = hsm.describe_clusters()["Clusters"][0]["ClusterId"]
    hsm.tag_resource(ResourceId=cluster, TagList=[{"Key": "stage", "Value": "prod"}])
    for call, given in [(hsm.delete_cluster, {"ClusterId": cluster}),
                        (hsm.tag_resource, {"ResourceId": cluster,
                                            "TagList": [{"Key": "owner", "Value": "me"}]})]:
        refused("CloudHsmAccessDeniedException", "explicit deny", call, **given)


def told():
    """What has no effect here was accepted, and is in the event of the call."""
    put({**deny({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, "kms:Encrypt"), "Sid": "Organization"},
        deny({"Bool": {"kms:ReEncryptOnSameKy": "true"}}, "kms:Encrypt"),
        deny({"StringEquals": {"aws:SourceVpce": "vpce-1", "s3:prefix": "x"}}, "kms:Encrypt"))
    encrypt()
    events = f"{os.environ['AWS_ENDPOINT_URL']}/_portcullis/events?name=PutKeyPolicy"
    records = json.load(urllib.request.urlopen(events))["Records"]
    found = [it["additionalEventData"]["conditionsWithoutEffect"] for it in records
             if "conditionsWithoutEffect" in it.get("additionalEventData", {})]
    assert len(found) == 1 and len(found[0]) == 2, found
    for part in ["Organization", "denies nothing", "no organization"]:
        assert part in found[0][0], found
    assert "kms:ReEncryptOnSameKy, which is none that AWS documents" in found[0][1], found
    malformed = "MalformedPolicyDocumentException"
    for condition, part in [
            ({"StringEquals": {"aws:ResourceTag/a": "b"}}, "not permitted in a key policy"),
            ({"StringEquals": {"kms:ResourceAliases": "b"}}, "not permitted in a key policy"),
            ({"ForAllValues:StringEquals": {"kms:EncryptionContext:App": "b"}}, "OverlyPermissive"),
            ({"StringEquals": {"kms:ViaService": []}}, "no value")]:
        new = policy(ROOT, deny(condition, "kms:Encrypt"))
        refused(malformed, part, owner.put_key_policy, KeyId=KEY, Policy=new)
        refused(malformed, part, owner.create_key, Policy=new)
    put()


def session_tokens():
    unrecognized = "UnrecognizedClientException"
    text = "The security token included in the request is invalid"
    for access_key, secret in [("111122223333", "test"), ("AKIAALICE", "alice-secret")]:
        for service, call in [("kms", "list_keys"), ("cloudhsmv2", "describe_clusters"),
                              ("sts", "get_caller_identity")]:
            wrong = client(access_key, secret, service, token="anything")
            refused(unrecognized, text, getattr(wrong, call))
    for token in [None, "another"]:
        wrong = client("ASIADEPLOY", "deploy-secret", "sts", token=token)
        refused(unrecognized, text, wrong.get_caller_identity)
    right = client("ASIADEPLOY", "deploy-secret", "sts", token="a-session-token")
    assert right.get_caller_identity()["Arn"] == SESSION


def main():
    stories = [where_it_comes_from, same_key, encryption_contexts, grants, other_requests, who, told,
               session_tokens]
    for story in stories:
        story()
        print(story.__name__)


if __name__ == "__main__":
    sys.exit(main())
