"""Why a declared exception cannot occur, or is not made by the conformance test.

By operation and exception; `*` stands for every operation."""

EVERY_STATE = "the table of key states permits it in every one"

REASONS = {
    ("*", "KMSInternalException"):
        "only a defect, a broken disk, or a burst that finds no PKCS #11 session free makes it",
    ("*", "DependencyTimeoutException"):
        "nothing that KMS waits for here is beyond its control; HSMs that do not answer are "
        "KMSInvalidStateException",
    ("CreateKey", "DependencyTimeoutException"):
        "HSMs of a key store that do not answer; a test of every fault shows it",
    ("GenerateRandom", "DependencyTimeoutException"):
        "HSMs of a key store that do not answer; a test of every fault shows it",
    ("*", "KeyUnavailableException"):
        "a key is there or it is not: what fails is KMSInvalidStateException",
    ("CreateCustomKeyStore", "LimitExceededException"):
        "ten key stores over ten clusters; a test of the decision shows it",
    ("ConnectCustomKeyStore", "CloudHsmClusterNotActiveException"):
        "a cluster that a key store has cannot lose its activation while it exists",
    ("ConnectCustomKeyStore", "CloudHsmClusterNotFoundException"): "FAILED with CLUSTER_NOT_FOUND",
    ("CreateKey", "InvalidArnException"): "no member of CreateKey is an ARN",
    ("CreateGrant", "LimitExceededException"): "50,000 grants of one key",
    ("ReplicateKey", "LimitExceededException"): "100,000 keys in the other Region",
    ("ListRetirableGrants", "NotFoundException"): "a principal without grants has an empty list",
    ("ImportKeyMaterial", "ExpiredImportTokenException"):
        "a token is valid for a day; a test that puts the clock forward shows it",
    ("DeleteImportedKeyMaterial", "KMSInvalidStateException"):
        "only a replica that is Creating, which lasts no time here",
    ("GenerateRandom", "UnsupportedOperationException"):
        "an external key store has no random bytes to give, and there are none",
    ("PutKeyPolicy", "UnsupportedOperationException"): "every customer key has a policy to set",
    ("GetKeyPolicy", "KMSInvalidStateException"): EVERY_STATE,
    ("GetKeyRotationStatus", "KMSInvalidStateException"): EVERY_STATE,
    ("ListGrants", "KMSInvalidStateException"): EVERY_STATE,
    ("ListKeyPolicies", "KMSInvalidStateException"): EVERY_STATE,
    ("ListKeyRotations", "KMSInvalidStateException"): EVERY_STATE,
    ("ListKeyRotations", "UnsupportedOperationException"):
        "every kind of key can be asked; one that does not rotate has no rotations",
    ("TagResource", "LimitExceededException"): "more than fifty tags are TagException",
    ("CreateKey", "LimitExceededException"): "100,000 keys, or a cluster that is full",
    ("PutKeyPolicy", "KMSInvalidStateException"): EVERY_STATE,
    ("RetireGrant", "KMSInvalidStateException"): EVERY_STATE,
    ("RevokeGrant", "KMSInvalidStateException"): EVERY_STATE,
    ("DeleteAlias", "KMSInvalidStateException"): "an alias is deleted whatever its key's state",
    ("GetPublicKey", "DisabledException"): "a disabled key shows its public key",
    ("GetPublicKey", "InvalidKeyUsageException"):
        "a public key is shown whatever the key is used for; a key that has none is "
        "UnsupportedOperationException",
    ("EnableKey", "LimitExceededException"): "no quota of enabled keys is published any more",
}


def reason(operation, code):
    if code.startswith("Xks"):
        return "external key stores are not built"
    return REASONS.get((operation, code)) or REASONS.get(("*", code))
