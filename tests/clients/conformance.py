"""Every operation of KMS: a success, and every exception that the model declares for it, or why not.

Each reply, good or bad, is compared with the service model of the installed botocore. Prints the
table of docs/operations.md, where an operation is partial that refuses a member as not built, or
that never answers with a declared exception although reasons.py has no reason for that. Fails when a
reply is not the model's, or a call that must succeed or fail does not."""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request
import uuid

from model import Model, base64_of, call, not_built
from reasons import REASONS, reason

KMS, CLOUDHSM = Model("kms"), Model("cloudhsmv2")
STORE, EMPTY_STORE = "cks-1234567890abcdef0", "cks-1234567890abcdef1"
UNRELATED, SINGLE, INACTIVE, HALF = (f"cluster-{digit * 12}" for digit in "2345")
ACCOUNT, REGION, OTHER_REGION = "000000000000", "us-east-1", "eu-west-1"
PLAIN = base64_of(b"conformance")
RECIPIENT = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": base64_of(b"x")}

problems, succeeded, produced, refused = [], set(), set(), {}


def attempt(operation, **members):
    """A call; its reply must be the model's. Gives its code, or None, and its body."""
    region = members.pop("_region", REGION)
    status, code, body = call(KMS, operation, members, ACCOUNT, region)
    problems.extend(KMS.problems(operation, status, code, body))
    if not_built(body):
        refused.setdefault(operation, set()).add(body["message"])
        produced.add((operation, code))
    elif code is None:
        succeeded.add(operation)
    else:
        produced.add((operation, code))
    return code, body


def ok(operation, **members):
    """A call that must succeed, unless it is not built."""
    code, body = attempt(operation, **members)
    if code is not None and not not_built(body):
        problems.append(f"{operation} should succeed: {body} for {list(members)}")
    return body if code is None else None


def no(operation, expected, **members):
    """A call that must fail with this exception, unless it is not built."""
    code, body = attempt(operation, **members)
    if code != expected and not not_built(body):
        problems.append(f"{operation}: {expected} expected, but {code}: {body}")


def key(**members):
    made = ok("CreateKey", **members)
    return made["KeyMetadata"]["KeyId"] if made else None


class Kind:
    """Three keys of a kind: one that works, one that is disabled, one that is pending deletion; each
    with what was made with it before that."""

    def __init__(self, prepare=lambda key: {}, **members):
        self.good, self.disabled, self.pending = (key(**members) for _ in range(3))
        self.made = {each: prepare(each) for each in (self.good, self.disabled, self.pending) if each}
        if self.good:
            # Without its material a key cannot be disabled.
            attempt("DisableKey", KeyId=self.disabled)
            ok("ScheduleKeyDeletion", KeyId=self.pending, PendingWindowInDays=7)


def member(operation, name, **members):
    code, body = attempt(operation, **members)
    return body[name] if code is None else None


def sealed(each, **more):
    return {"CiphertextBlob": member("Encrypt", "CiphertextBlob", KeyId=each, Plaintext=PLAIN, **more)}


def spki():
    """A peer's public key on P-256."""
    made = subprocess.run("openssl ecparam -name prime256v1 -genkey -noout | openssl ec -pubout"
                          " -outform DER", shell=True, check=True, capture_output=True)
    return base64_of(made.stdout)


# Keys of every kind.
symmetric = Kind(sealed)
rsa = Kind(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
signing = Kind(
    lambda each: {"Signature": member("Sign", "Signature", KeyId=each, Message=PLAIN,
                                      SigningAlgorithm="ECDSA_SHA_256")},
    KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
mac = Kind(
    lambda each: {"Mac": member("GenerateMac", "Mac", KeyId=each, Message=PLAIN,
                                MacAlgorithm="HMAC_SHA_256")},
    KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
agreement = Kind(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")
kem = Kind(
    lambda each: {"SharedSecretCiphertextBlob": member(
        "Encapsulate", "SharedSecretCiphertextBlob", KeyId=each, EncapsulationAlgorithm="ML_KEM")},
    KeySpec="ML_KEM_512", KeyUsage="ENCAPSULATE_DECAPSULATE")
external = Kind(Origin="EXTERNAL")
multi = Kind(MultiRegion=True)
in_store = member("DescribeKey", "KeyMetadata", KeyId="alias/keys")["KeyId"]
peer = spki()
policy = member("GetKeyPolicy", "Policy", KeyId=symmetric.good) or "{}"

# What each operation takes beside its key, and the kinds of key that it is for. The members of
# `made` are those of the key at hand.
OF_A_KEY = {
    "Encrypt": (symmetric, {"Plaintext": PLAIN}),
    "Decrypt": (symmetric, {"CiphertextBlob": "made"}),
    "ReEncrypt": (symmetric, {"CiphertextBlob": "made"}),
    "GenerateDataKey": (symmetric, {"KeySpec": "AES_256"}),
    "GenerateDataKeyWithoutPlaintext": (symmetric, {"KeySpec": "AES_256"}),
    "GenerateDataKeyPair": (symmetric, {"KeyPairSpec": "ECC_NIST_P256"}),
    "GenerateDataKeyPairWithoutPlaintext": (symmetric, {"KeyPairSpec": "ECC_NIST_P256"}),
    "Sign": (signing, {"Message": PLAIN, "SigningAlgorithm": "ECDSA_SHA_256"}),
    "Verify": (signing, {"Message": PLAIN, "SigningAlgorithm": "ECDSA_SHA_256",
                         "Signature": "made"}),
    "GenerateMac": (mac, {"Message": PLAIN, "MacAlgorithm": "HMAC_SHA_256"}),
    "VerifyMac": (mac, {"Message": PLAIN, "MacAlgorithm": "HMAC_SHA_256", "Mac": "made"}),
    "DeriveSharedSecret": (agreement, {"KeyAgreementAlgorithm": "ECDH", "PublicKey": peer}),
    "Encapsulate": (kem, {"EncapsulationAlgorithm": "ML_KEM"}),
    "Decapsulate": (kem, {"EncapsulationAlgorithm": "ML_KEM",
                          "SharedSecretCiphertextBlob": "made"}),
    "GetPublicKey": (signing, {}),
    "DescribeKey": (symmetric, {}),
    "EnableKey": (symmetric, {}),
    "UpdateKeyDescription": (symmetric, {"Description": "described"}),
    "TagResource": (symmetric, {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
    "ListResourceTags": (symmetric, {}),
    "UntagResource": (symmetric, {"TagKeys": ["a"]}),
    "GetKeyPolicy": (symmetric, {}),
    "PutKeyPolicy": (symmetric, {"Policy": policy}),
    "ListKeyPolicies": (symmetric, {}),
    "EnableKeyRotation": (symmetric, {}),
    "GetKeyRotationStatus": (symmetric, {}),
    "DisableKeyRotation": (symmetric, {}),
    "RotateKeyOnDemand": (symmetric, {}),
    "ListKeyRotations": (symmetric, {}),
    "GetKeyLastUsage": (symmetric, {}),
    "CreateGrant": (symmetric, {"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:role/app",
                                "Operations": ["Encrypt"]}),
    "ListGrants": (symmetric, {}),
    "ListAliases": (symmetric, {}),
    "DisableKey": (symmetric, {}),
    "GetParametersForImport": (external, {"WrappingAlgorithm": "RSAES_OAEP_SHA_256",
                                          "WrappingKeySpec": "RSA_2048"}),
    "DeleteImportedKeyMaterial": (external, {}),
    "ReplicateKey": (multi, {"ReplicaRegion": OTHER_REGION}),
    "UpdatePrimaryRegion": (multi, {"PrimaryRegion": OTHER_REGION}),
    "ScheduleKeyDeletion": (symmetric, {}),
    "CancelKeyDeletion": (symmetric, {}),
}
NAMES = {"ReEncrypt": "DestinationKeyId"}
# Where the key that works is changed by the call, another one is taken for the success.
NOT_THE_GOOD_ONE = {"DisableKey", "ScheduleKeyDeletion", "CancelKeyDeletion",
                    "DeleteImportedKeyMaterial", "UpdatePrimaryRegion"}


# What would make a disabled key work, or end the waiting for a deletion.
ENDS_THE_STATE = {("EnableKey", symmetric.disabled), ("CancelKeyDeletion", symmetric.pending),
                  ("ScheduleKeyDeletion", symmetric.disabled)}


def members_for(operation, each):
    kind, members = OF_A_KEY[operation]
    made = kind.made.get(each) or kind.made.get(kind.good) or {}
    filled = {name: made.get(name) if value == "made" else value
              for name, value in members.items()}
    return {name: value for name, value in filled.items() if value is not None}


def on(operation, name, **more):
    """A call about the key `name`."""
    return attempt(operation, **{NAMES.get(operation, "KeyId"): name},
                   **members_for(operation, name), **more)


for operation, (kind, _members) in OF_A_KEY.items():
    inputs = KMS.input(operation)["members"]
    good = kind.good or symmetric.good
    if operation in ("DisableKey", "ScheduleKeyDeletion"):
        good = key(Description="not used any more")
    if operation not in NOT_THE_GOOD_ONE:
        code, body = on(operation, good)
        if code is not None and not not_built(body):
            problems.append(f"{operation} should succeed: {body}")
    on(operation, str(uuid.uuid4()))
    on(operation, "arn:aws:kms:nonsense")
    on(operation, f"arn:aws:s3:{REGION}:{ACCOUNT}:key/{good}")
    for state in (kind.disabled, kind.pending):
        if state and (operation, state) not in ENDS_THE_STATE:
            on(operation, state)
    if operation not in ("DisableKey", "ScheduleKeyDeletion"):
        on(operation, in_store)
        on(operation, mac.good or rsa.good or symmetric.good)
        on(operation, symmetric.good if kind is not symmetric else signing.good or in_store)
    for name, value in (("GrantTokens", ["no token"]), ("DryRun", True), ("Marker", "no marker"),
                        ("Recipient", RECIPIENT), ("DryRunModifiers", ["IGNORE_CIPHERTEXT"])):
        if name in inputs:
            on(operation, good, **{name: value})

# Ciphertexts, signatures, codes that are not what was made.
made = symmetric.made.get(symmetric.good, {})
blob = made.get("CiphertextBlob")
other = key(Description="another")
no("Decrypt", "InvalidCiphertextException", CiphertextBlob=base64_of(b"nonsense"))
no("Decrypt", "IncorrectKeyException", CiphertextBlob=blob, KeyId=other)
no("Decrypt", "InvalidKeyUsageException", CiphertextBlob=base64_of(b"nonsense"), KeyId=mac.good)
no("GetKeyRotationStatus", "UnsupportedOperationException", KeyId=key(Origin="EXTERNAL"))
no("ReEncrypt", "InvalidCiphertextException", CiphertextBlob=base64_of(b"x"), DestinationKeyId=other)
no("ReEncrypt", "IncorrectKeyException", CiphertextBlob=blob, SourceKeyId=other,
   DestinationKeyId=other)
no("Verify", "KMSInvalidSignatureException", KeyId=signing.good or symmetric.good, Message=PLAIN,
   SigningAlgorithm="ECDSA_SHA_256", Signature=base64_of(b"nonsense"))
no("VerifyMac", "KMSInvalidMacException", KeyId=mac.good or symmetric.good, Message=PLAIN,
   MacAlgorithm="HMAC_SHA_256", Mac=base64_of(b"n" * 32))
no("Decapsulate", "InvalidCiphertextException", KeyId=kem.good or symmetric.good,
   EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=base64_of(b"short"))

# Random bytes.
ok("GenerateRandom", NumberOfBytes=16)
ok("GenerateRandom", NumberOfBytes=16, CustomKeyStoreId=STORE)
no("GenerateRandom", "CustomKeyStoreNotFoundException", NumberOfBytes=16, CustomKeyStoreId="cks-0")

attempt("GenerateRandom", NumberOfBytes=16, Recipient=RECIPIENT)

# A key's life.
dying = key(Description="dying")
ok("DisableKey", KeyId=dying)
ok("ScheduleKeyDeletion", KeyId=dying)
no("ScheduleKeyDeletion", "KMSInvalidStateException", KeyId=dying)
ok("CancelKeyDeletion", KeyId=dying)
no("CancelKeyDeletion", "KMSInvalidStateException", KeyId=dying)
ok("ListKeys")
no("ListKeys", "InvalidMarkerException", Marker="no marker")
no("CreateKey", "CustomKeyStoreNotFoundException", Origin="AWS_CLOUDHSM", CustomKeyStoreId="cks-0")
attempt("CreateKey", Policy="nonsense")
attempt("CreateKey", Policy='{"Version": "2012-10-17", "Statement": [{"Effect": "Maybe"}]}')
attempt("CreateKey", Tags=[{"TagKey": "aws:x", "TagValue": "y"}])
attempt("CreateKey", Tags=[{"TagKey": f"k{i}", "TagValue": "v"} for i in range(51)])
attempt("CreateKey", Origin="EXTERNAL_KEY_STORE", XksKeyId="a", CustomKeyStoreId=STORE)
attempt("CreateKey", KeySpec="SM2", KeyUsage="SIGN_VERIFY")
attempt("CreateKey", KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY", Origin="AWS_CLOUDHSM",
        CustomKeyStoreId=STORE)

# Aliases.
ok("CreateAlias", AliasName="alias/c", TargetKeyId=symmetric.good)
no("CreateAlias", "AlreadyExistsException", AliasName="alias/c", TargetKeyId=symmetric.good)
no("CreateAlias", "InvalidAliasNameException", AliasName="alias/aws/c", TargetKeyId=symmetric.good)
no("CreateAlias", "NotFoundException", AliasName="alias/d", TargetKeyId=str(uuid.uuid4()))
no("CreateAlias", "KMSInvalidStateException", AliasName="alias/d", TargetKeyId=symmetric.pending)
ok("UpdateAlias", AliasName="alias/c", TargetKeyId=other)
no("UpdateAlias", "NotFoundException", AliasName="alias/nowhere", TargetKeyId=other)
no("UpdateAlias", "KMSInvalidStateException", AliasName="alias/c", TargetKeyId=symmetric.pending)
for number in range(51):
    attempt("CreateAlias", AliasName=f"alias/many-{number}", TargetKeyId=other)
code, body = attempt("CreateAlias", AliasName="alias/moving", TargetKeyId=symmetric.good)
attempt("UpdateAlias", AliasName="alias/moving", TargetKeyId=other)
ok("DeleteAlias", AliasName="alias/c")
no("DeleteAlias", "NotFoundException", AliasName="alias/c")
ok("ListAliases")

# Policies and tags.
attempt("PutKeyPolicy", KeyId=symmetric.good, Policy="nonsense")
attempt("PutKeyPolicy", KeyId=symmetric.good, Policy=policy, PolicyName="AWS_RAM")
attempt("PutKeyPolicy", KeyId=symmetric.good, Policy=policy + " " * 40_000)
attempt("GetKeyPolicy", KeyId=symmetric.good, PolicyName="AWS_RAM")
attempt("TagResource", KeyId=symmetric.good, Tags=[{"TagKey": "aws:x", "TagValue": "y"}])
attempt("TagResource", KeyId=symmetric.good,
        Tags=[{"TagKey": f"k{i}", "TagValue": "v"} for i in range(51)])
attempt("UntagResource", KeyId=symmetric.good, TagKeys=["aws:x"])

# Grants.
granted = member("CreateGrant", "GrantId", KeyId=symmetric.good, Operations=["Decrypt"],
                 GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:role/app",
                 RetiringPrincipal=f"arn:aws:iam::{ACCOUNT}:root")
arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{symmetric.good}"
attempt("ListRetirableGrants", RetiringPrincipal=f"arn:aws:iam::{ACCOUNT}:root")
attempt("ListRetirableGrants", RetiringPrincipal="nonsense")
attempt("ListRetirableGrants", RetiringPrincipal=f"arn:aws:iam::{ACCOUNT}:root", Marker="no marker")
attempt("ListGrants", KeyId=symmetric.good, GrantId="nonsense")
for operation in ("RetireGrant", "RevokeGrant"):
    grant = granted or "0" * 64
    attempt(operation, KeyId=arn, GrantId=grant, DryRun=True)
    attempt(operation, KeyId=arn, GrantId="nonsense")
    attempt(operation, KeyId=arn, GrantId="0" * 64)
    attempt(operation, KeyId=arn[:-1] + "0" if not arn.endswith("0") else arn[:-1] + "1",
            GrantId=grant)
    attempt(operation, KeyId="arn:aws:kms:nonsense", GrantId=grant)
    attempt(operation, KeyId=arn.replace(symmetric.good, symmetric.pending), GrantId=grant)
attempt("RetireGrant", GrantToken="no token")
attempt("RetireGrant", KeyId=arn, GrantId=granted or "0" * 64)
again = member("CreateGrant", "GrantId", KeyId=symmetric.good, Operations=["Decrypt"],
               GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:role/app")
attempt("RevokeGrant", KeyId=symmetric.good, GrantId=again or "0" * 64)

# Import.
if external.good:
    parameters = ok("GetParametersForImport", KeyId=external.good,
                    WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
    pathlib.Path("wrapping.der").write_bytes(__import__("base64").b64decode(parameters["PublicKey"]))

    def wrap(material):
        pathlib.Path("material").write_bytes(material)
        made = subprocess.run(
            "openssl pkeyutl -encrypt -in material -pubin -keyform DER -inkey wrapping.der -pkeyopt"
            " rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256",
            shell=True, check=True, capture_output=True)
        return base64_of(made.stdout)

    given = {"KeyId": external.good, "ImportToken": parameters["ImportToken"],
             "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    no("ImportKeyMaterial", "InvalidCiphertextException", **given,
       EncryptedKeyMaterial=base64_of(b"nonsense"))
    no("ImportKeyMaterial", "InvalidImportTokenException",
       **dict(given, ImportToken=base64_of(b"nonsense")), EncryptedKeyMaterial=wrap(b"m" * 32))
    ok("ImportKeyMaterial", **given, EncryptedKeyMaterial=wrap(b"m" * 32))
    attempt("ImportKeyMaterial", **given, EncryptedKeyMaterial=wrap(b"n" * 32))
    for name in (str(uuid.uuid4()), "arn:aws:kms:nonsense", external.pending, symmetric.good):
        attempt("ImportKeyMaterial", **dict(given, KeyId=name), EncryptedKeyMaterial=wrap(b"m" * 32))
    ok("DeleteImportedKeyMaterial", KeyId=external.good)
    attempt("EnableKey", KeyId=external.good)
    attempt("DisableKey", KeyId=external.good)
else:
    attempt("ImportKeyMaterial", KeyId=symmetric.good, ImportToken=PLAIN, EncryptedKeyMaterial=PLAIN)

# Rotation.
rotating = key(Description="rotating")
for _ in range(30):
    attempt("RotateKeyOnDemand", KeyId=rotating)

# Multi-Region keys.
if multi.good:
    attempt("ReplicateKey", KeyId=multi.good, ReplicaRegion=OTHER_REGION)
    attempt("ReplicateKey", KeyId=multi.good, ReplicaRegion="ap-south-1", Policy="nonsense")
    attempt("ReplicateKey", KeyId=multi.good, ReplicaRegion="ap-south-1",
            Tags=[{"TagKey": "aws:x", "TagValue": "y"}])
    attempt("ReplicateKey", KeyId=multi.disabled, ReplicaRegion=OTHER_REGION)
    attempt("UpdatePrimaryRegion", KeyId=multi.good, PrimaryRegion=OTHER_REGION)

# Key stores: all six operations.
stores = member("DescribeCustomKeyStores", "CustomKeyStores")
cluster = {each["CustomKeyStoreId"]: each["CloudHsmClusterId"] for each in stores}
anchor = stores[0]["TrustAnchorCertificate"]
subprocess.run("openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=Other -keyout o.key"
               " -out o.crt", shell=True, check=True, capture_output=True)
wrong_anchor = pathlib.Path("o.crt").read_text()
new = {"CustomKeyStoreName": "New", "KeyStorePassword": "kmsPassword"}


def state(store):
    return call(KMS, "DescribeCustomKeyStores", {"CustomKeyStoreId": store})[2][
        "CustomKeyStores"][0]["ConnectionState"]


def wait(store, *states):
    end = time.monotonic() + 60
    while state(store) not in states:
        assert time.monotonic() < end, f"{store} is {state(store)}"
        time.sleep(0.02)


create = "CreateCustomKeyStore"
no(create, "IncorrectTrustAnchorException", **new, CloudHsmClusterId=UNRELATED,
   TrustAnchorCertificate=wrong_anchor)
no(create, "CloudHsmClusterInvalidConfigurationException", **new, CloudHsmClusterId=SINGLE,
   TrustAnchorCertificate=anchor)
no(create, "CloudHsmClusterNotActiveException", **new, CloudHsmClusterId=INACTIVE,
   TrustAnchorCertificate=anchor)
no(create, "CloudHsmClusterInUseException", **new, CloudHsmClusterId=cluster[STORE],
   TrustAnchorCertificate=anchor)
no(create, "CloudHsmClusterNotFoundException", **new, CloudHsmClusterId="cluster-777777777777",
   TrustAnchorCertificate=anchor)
no(create, "CustomKeyStoreNameInUseException", **dict(new, CustomKeyStoreName="Keys"),
   CloudHsmClusterId=UNRELATED, TrustAnchorCertificate=anchor)
attempt(create, CustomKeyStoreName="Xks", CustomKeyStoreType="EXTERNAL_KEY_STORE",
        XksProxyUriEndpoint="https://example.com", XksProxyUriPath="/kms/xks/v1",
        XksProxyConnectivity="PUBLIC_ENDPOINT",
        XksProxyAuthenticationCredential={"AccessKeyId": "A" * 20, "RawSecretAccessKey": "a" * 43})

for operation in ("ConnectCustomKeyStore", "DisconnectCustomKeyStore", "DeleteCustomKeyStore",
                  "UpdateCustomKeyStore", "DescribeCustomKeyStores"):
    no(operation, "CustomKeyStoreNotFoundException", CustomKeyStoreId="cks-0")
no("DescribeCustomKeyStores", "InvalidMarkerException", Marker="no marker")
no("DeleteCustomKeyStore", "CustomKeyStoreInvalidStateException", CustomKeyStoreId=STORE)
no("UpdateCustomKeyStore", "CustomKeyStoreInvalidStateException", CustomKeyStoreId=STORE,
   CloudHsmClusterId=UNRELATED)
ok("DisconnectCustomKeyStore", CustomKeyStoreId=STORE)
wait(STORE, "DISCONNECTED")
no("DisconnectCustomKeyStore", "CustomKeyStoreInvalidStateException", CustomKeyStoreId=STORE)
no("DeleteCustomKeyStore", "CustomKeyStoreHasCMKsException", CustomKeyStoreId=STORE)
no("GenerateRandom", "CustomKeyStoreInvalidStateException", NumberOfBytes=16, CustomKeyStoreId=STORE)
no("CreateKey", "CustomKeyStoreInvalidStateException", Origin="AWS_CLOUDHSM",
   CustomKeyStoreId=STORE)
for operation in ("Encrypt", "GenerateDataKey"):
    on(operation, in_store)
update = "UpdateCustomKeyStore"
no(update, "CloudHsmClusterNotRelatedException", CustomKeyStoreId=STORE, CloudHsmClusterId=UNRELATED)
no(update, "CloudHsmClusterInvalidConfigurationException", CustomKeyStoreId=STORE,
   CloudHsmClusterId=HALF)
no(update, "CloudHsmClusterNotFoundException", CustomKeyStoreId=STORE,
   CloudHsmClusterId="cluster-777777777777")
attempt(update, CustomKeyStoreId=STORE, CloudHsmClusterId=INACTIVE)
no(update, "CustomKeyStoreNameInUseException", CustomKeyStoreId=STORE, NewCustomKeyStoreName="Second")
ok(update, CustomKeyStoreId=STORE, KeyStorePassword="wrongPassword")
ok("ConnectCustomKeyStore", CustomKeyStoreId=STORE)
wait(STORE, "FAILED")
no("ConnectCustomKeyStore", "CustomKeyStoreInvalidStateException", CustomKeyStoreId=STORE)

# A cluster that has lost an HSM, and one that has none.
second = {"ClusterId": cluster[EMPTY_STORE]}


def hsms():
    found = call(CLOUDHSM, "DescribeClusters", {"Filters": {"clusterIds": [second["ClusterId"]]}})
    return found[2]["Clusters"][0]["Hsms"]


first = hsms()[0]
call(CLOUDHSM, "DeleteHsm", {**second, "HsmId": first["HsmId"]})
no("CreateKey", "CloudHsmClusterInvalidConfigurationException", Origin="AWS_CLOUDHSM",
   CustomKeyStoreId=EMPTY_STORE)
call(CLOUDHSM, "CreateHsm", {**second, "AvailabilityZone": first["AvailabilityZone"]})
ok("DisconnectCustomKeyStore", CustomKeyStoreId=EMPTY_STORE)
wait(EMPTY_STORE, "DISCONNECTED")
ok("DeleteCustomKeyStore", CustomKeyStoreId=EMPTY_STORE)
again = member(create, "CustomKeyStoreId", **new, CloudHsmClusterId=second["ClusterId"],
               TrustAnchorCertificate=stores[1]["TrustAnchorCertificate"])
for hsm in hsms():
    call(CLOUDHSM, "DeleteHsm", {**second, "HsmId": hsm["HsmId"]})
no("ConnectCustomKeyStore", "CloudHsmClusterInvalidConfigurationException", CustomKeyStoreId=again)


# A rotation that is due within minutes. The clock takes the keys pending deletion with it.
near = key(Description="about to rotate")
ok("EnableKeyRotation", KeyId=near, RotationPeriodInDays=90)
advance = urllib.request.Request(
    os.environ["AWS_ENDPOINT_URL"] + "/_portcullis/clock/advance",
    data=json.dumps({"seconds": 90 * 86_400 - 600}).encode(),
    headers={"Content-Type": "application/json"})
urllib.request.urlopen(advance).read()
attempt("RotateKeyOnDemand", KeyId=near)


def row(operation):
    """An operation's row of the page, after looking whether it is what the page says."""
    if operation not in succeeded:
        why = " ".join(sorted(refused.get(operation, ["it never succeeded"])))
        if operation not in refused:
            problems.append(f"{operation} never succeeded")
        return f"| {operation} | refused | {why} |"
    missing = sorted(KMS.declared(operation) - {code for name, code in produced
                                                if name == operation})
    parts = sorted(refused.get(operation, ()))
    parts += [f"Never answers with {code}." for code in missing if not reason(operation, code)]
    parts = " ".join(parts)
    return f"| {operation} | partial | {parts} |" if parts else f"| {operation} | complete | |"


rows = [row(operation) for operation in KMS.operations]
for operation, code in REASONS:
    if operation != "*" and (operation, code) in produced:
        problems.append(f"{operation} answers with {code}: delete the reason why it cannot")
for operation in CLOUDHSM.operations:
    _status, _code, body = call(CLOUDHSM, operation, {})
    rows.append(f"| {operation} (CloudHSM) | {'refused' if not_built(body) else 'complete'} | |")



def never():
    """Rows of what is declared and not answered, with the reason; one row for what is everywhere."""
    everywhere, single = {}, []
    for operation in KMS.operations:
        missing = sorted(KMS.declared(operation) - {code for name, code in produced
                                                    if name == operation})
        for code in missing:
            why = reason(operation, code)
            if why and (operation, code) not in REASONS:
                everywhere.setdefault((code if "Xks" not in code else "Xks…", why), []).append(operation)
            elif why:
                single.append(f"| {operation} | {code} | {why} |")
    rows = [f"| {len(set(names))} operations | {code} | {why} |"
            for (code, why), names in sorted(everywhere.items())]
    return rows + single


print(json.dumps({"rows": rows, "never": never(), "produced": len(produced), "succeeded": len(succeeded)}))
if problems:
    sys.exit("\n".join(sorted(set(problems))))
