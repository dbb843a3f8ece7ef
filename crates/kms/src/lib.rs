//! KMS keys and custom key stores, and the gate in front of them
