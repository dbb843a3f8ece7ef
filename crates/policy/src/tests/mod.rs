//! What policies mean, by table, and what must hold for every policy.

mod laws;
mod table;
