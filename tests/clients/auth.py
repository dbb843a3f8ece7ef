"""Principals of two accounts, key policies, grants and conditions, as boto3 sees them."""

import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

KEY = "0a1b2c3d-0a1b-4c3d-8e5f-0a1b2c3d4e5f"
ARN = f"arn:aws:kms:us-east-1:111122223333:key/{KEY}"
OWNER = "arn:aws:iam::111122223333:root"
ALICE = "arn:aws:iam::111122223333:user/alice"
CAROL = "arn:aws:iam::111122223333:user/carol"
BOB = "arn:aws:iam::444455556666:user/bob"


def client(access_key, secret, service="kms"):
    return boto3.client(
        service,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


def refused(code, part, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]
        assert found["Code"] == code, found
        assert part in found["Message"], found
        return found["Message"]
    raise AssertionError(f"{code} expected")


owner = client("111122223333", "test")
alice = client("AKIAALICE", "alice-secret")
carol = client("AKIACAROL", "carol-secret")
deploy = client("AKIADEPLOY", "deploy-secret")
bob = client("AKIABOB", "bob-secret")


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(effect, who, action="kms:*", **rest):
    return {"Effect": effect, "Principal": {"AWS": who}, "Action": action, "Resource": "*", **rest}


def put(*statements, **rest):
    owner.put_key_policy(KeyId=KEY, Policy=policy(*statements), **rest)


ROOT = statement("Allow", OWNER)


def who_calls():
    for key, secret, arn, account in [
        ("AKIAALICE", "alice-secret", ALICE, "111122223333"),
        ("AKIABOB", "bob-secret", BOB, "444455556666"),
        ("444455556666", "test", "arn:aws:iam::444455556666:root", "444455556666"),
        (
            "AKIADEPLOY",
            "deploy-secret",
            "arn:aws:sts::111122223333:assumed-role/Deploy/build-7",
            "111122223333",
        ),
    ]:
        sts = client(key, secret, "sts")
        identity = sts.get_caller_identity()
        assert (identity["Arn"], identity["Account"]) == (arn, account), identity
    refused("InvalidAction", "GetSessionToken", client("test", "test", "sts").get_session_token)
    refused("InvalidAction", "iam", client("test", "test", "iam").list_users)
    refused("InvalidSignatureException", "signature", client("AKIABOB", "wrong", "sts").get_caller_identity)
    refused("UnrecognizedClientException", "", client("AKIANOBODY", "x").list_keys)


def own_policies():
    """The default key policy leaves it to the account's own policies."""
    sealed = alice.encrypt(KeyId="alias/payments", Plaintext=b"hello")["CiphertextBlob"]
    assert alice.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"hello"
    assert alice.describe_key(KeyId=KEY)["KeyMetadata"]["Arn"] == ARN
    text = refused(
        "AccessDeniedException",
        "no identity-based policy allows the kms:Encrypt action",
        carol.encrypt,
        KeyId=KEY,
        Plaintext=b"x",
    )
    assert text.startswith(f"User: {CAROL} is not authorized to perform: kms:Encrypt on resource: {ARN}"), text
    refused(
        "AccessDeniedException",
        "on the resource associated with this ciphertext because no identity-based policy",
        carol.decrypt,
        CiphertextBlob=sealed,
    )
    refused("AccessDeniedException", "kms:CreateKey because no identity", carol.create_key)
    refused("AccessDeniedException", "kms:ListKeys because no identity", alice.list_keys)
    refused(
        "AccessDeniedException",
        "with an explicit deny in an identity-based policy",
        alice.encrypt,
        KeyId=KEY,
        Plaintext=b"x",
        EncryptionContext={"Level": "secret"},
    )
    alice.encrypt(KeyId=KEY, Plaintext=b"x", EncryptionContext={"Level": "public"})
    refused("AccessDeniedException", "kms:DisableKey", alice.disable_key, KeyId=KEY)
    hsm = client("AKIAALICE", "alice-secret", "cloudhsmv2")
    refused("CloudHsmAccessDeniedException", "cloudhsm:DescribeClusters", hsm.describe_clusters)


def key_policies():
    put(ROOT, statement("Allow", CAROL, "kms:Encrypt", Condition={
        "StringEquals": {"kms:EncryptionContext:App": "x"}
    }))
    carol.encrypt(KeyId=KEY, Plaintext=b"x", EncryptionContext={"App": "x"})
    for context in [{}, {"App": "y"}]:
        refused(
            "AccessDeniedException",
            "no identity-based policy",
            carol.encrypt,
            KeyId=KEY,
            Plaintext=b"x",
            EncryptionContext=context,
        )
    put(ROOT, statement("Deny", ALICE, "kms:Decrypt"))
    sealed = alice.encrypt(KeyId=KEY, Plaintext=b"x")["CiphertextBlob"]
    refused(
        "AccessDeniedException",
        "with an explicit deny in a resource-based policy",
        alice.decrypt,
        CiphertextBlob=sealed,
    )
    # Without the root nothing is left to the account's own policies.
    put(statement("Allow", OWNER, ["kms:PutKeyPolicy"]))
    refused(
        "AccessDeniedException",
        "no resource-based policy allows the kms:Encrypt action",
        alice.encrypt,
        KeyId=KEY,
        Plaintext=b"x",
    )
    put(ROOT, statement("Allow", "arn:aws:iam::111122223333:role/Deploy", "kms:Encrypt"))
    deploy.encrypt(KeyId=KEY, Plaintext=b"x")
    put(ROOT)


def lockout():
    locked = policy(statement("Allow", ALICE))
    refused(
        "MalformedPolicyDocumentException",
        "will not allow you to update the key policy",
        owner.put_key_policy,
        KeyId=KEY,
        Policy=locked,
    )
    refused("MalformedPolicyDocumentException", "in the future", owner.create_key, Policy=locked)
    put(statement("Allow", ALICE), BypassPolicyLockoutSafetyCheck=True)
    refused(
        "AccessDeniedException", "no resource-based policy", owner.describe_key, KeyId=KEY
    )
    alice.put_key_policy(
        KeyId=KEY, Policy=policy(statement("Allow", ALICE), ROOT)
    )
    put(ROOT)


def grants():
    made = owner.create_grant(
        KeyId=KEY,
        GranteePrincipal=CAROL,
        RetiringPrincipal=BOB,
        Operations=["Encrypt", "Decrypt", "CreateGrant"],
        Constraints={"EncryptionContextSubset": {"App": "x"}},
    )
    context = {"App": "x", "More": "y"}
    sealed = carol.encrypt(
        KeyId=KEY,
        Plaintext=b"granted",
        EncryptionContext=context,
        GrantTokens=[made["GrantToken"]],
    )["CiphertextBlob"]
    opened = carol.decrypt(CiphertextBlob=sealed, EncryptionContext=context)
    assert opened["Plaintext"] == b"granted"
    refused("AccessDeniedException", "kms:Encrypt", carol.encrypt, KeyId=KEY, Plaintext=b"x")
    refused(
        "InvalidGrantTokenException",
        "token",
        carol.encrypt,
        KeyId=KEY,
        Plaintext=b"x",
        GrantTokens=["nonsense"],
    )
    # A grant made by permission of a grant says no more than that grant.
    child = {"KeyId": KEY, "GranteePrincipal": ALICE, "Operations": ["Encrypt"]}
    refused("AccessDeniedException", "kms:CreateGrant", carol.create_grant, **child)
    carol.create_grant(**child, Constraints={"EncryptionContextSubset": {"App": "x"}})
    refused("AccessDeniedException", "kms:ListGrants", carol.list_grants, KeyId=KEY)
    assert len(owner.list_grants(KeyId=KEY)["Grants"]) == 2
    # The one named as retiring principal may, the grantee without RetireGrant may not.
    by_id = {"KeyId": ARN, "GrantId": made["GrantId"]}
    refused("AccessDeniedException", "kms:RetireGrant", carol.retire_grant, **by_id)
    bob.retire_grant(GrantToken=made["GrantToken"])
    refused(
        "AccessDeniedException",
        "kms:Encrypt",
        carol.encrypt,
        KeyId=KEY,
        Plaintext=b"x",
        EncryptionContext=context,
    )


def two_accounts():
    hidden = "the resource does not exist in this Region, no resource-based policies allow access"
    arguments = {"KeyId": ARN, "Plaintext": b"across"}
    refused("AccessDeniedException", hidden, bob.encrypt, **arguments)
    missing = ARN.replace("0a1b2c3d-0a1b", "0a1b2c3d-ffff")
    refused("AccessDeniedException", hidden, bob.encrypt, KeyId=missing, Plaintext=b"x")
    put(ROOT, statement("Allow", "arn:aws:iam::444455556666:root", ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom"]))
    sealed = bob.encrypt(**arguments)
    assert sealed["KeyId"] == ARN
    assert bob.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == b"across"
    alias = "arn:aws:kms:us-east-1:111122223333:alias/payments"
    bob.encrypt(KeyId=alias, Plaintext=b"x")
    refused("NotFoundException", "", bob.encrypt, KeyId="alias/payments", Plaintext=b"x")
    refused("AccessDeniedException", hidden, bob.describe_key, KeyId=ARN)
    # ReEncrypt needs both keys: the source here, the destination over there.
    own = bob.create_key()["KeyMetadata"]["KeyId"]
    moved = bob.re_encrypt(CiphertextBlob=sealed["CiphertextBlob"], DestinationKeyId=own)
    assert bob.decrypt(CiphertextBlob=moved["CiphertextBlob"])["Plaintext"] == b"across"
    back = {"CiphertextBlob": moved["CiphertextBlob"], "DestinationKeyId": ARN}
    refused("AccessDeniedException", "kms:ReEncryptTo", bob.re_encrypt, **back)


def main():
    stories = [who_calls, own_policies, key_policies, lockout, grants, two_accounts]
    for story in stories:
        story()
        print(story.__name__)


if __name__ == "__main__":
    sys.exit(main())
