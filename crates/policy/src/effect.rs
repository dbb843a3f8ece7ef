/// What a statement does to the requests that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It permits them.
    Allow,
    /// It refuses them, whatever permits them elsewhere.
    Deny,
}
