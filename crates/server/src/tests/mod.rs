//! The edge in front of a service that answers by the book (`edge`), and the real services behind
//! the real edge (`story`).

mod client;
mod depth;
mod edge;
mod story;
