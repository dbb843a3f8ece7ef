//! Seeded network, disk and clock, worlds, and the history checker
