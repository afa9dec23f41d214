//! Wrappers over Layotto's contracts for pluggable components.

mod hello;

pub use hello::LayottoHello;
