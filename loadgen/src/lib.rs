//! Open-loop load against a KMS endpoint, measured through edit and reconnect cycles
