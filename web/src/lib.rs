//! The pages, the API and the live hub of Hearth.

pub mod views;
