//! Black-box tests with the real binary and real clients
