"""What the nine steps of the guide in the console come to, seen with boto3."""

import boto3

kms = boto3.client("kms")
(store,) = kms.describe_custom_key_stores(CustomKeyStoreId="cks-1234567890abcdef0")["CustomKeyStores"]
assert store["CustomKeyStoreName"] == "DevelopmentKeys", store
assert store["CloudHsmClusterId"] == "cluster-1a23b4cdefg", store
assert store["ConnectionState"] == "CONNECTED", store

sealed = kms.encrypt(KeyId="alias/guide", Plaintext=b"after the edit")["CiphertextBlob"]
assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"after the edit"
