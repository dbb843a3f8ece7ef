//! Signature Version 4: canonical requests, signing keys and signatures
