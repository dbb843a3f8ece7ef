//! Portcullis: CloudHSM clusters and a KMS facade for people who use custom key stores
