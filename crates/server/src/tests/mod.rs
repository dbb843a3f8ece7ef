//! The edge in front of a service that answers by the book (`edge`), and the real services behind
//! the real edge (`story`), which has more than one door (`door`).

mod client;
mod connections;
mod depth;
mod door;
mod edge;
mod story;
