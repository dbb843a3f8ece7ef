//! Benchmarks of the gate, the HSM, the link and the facade
