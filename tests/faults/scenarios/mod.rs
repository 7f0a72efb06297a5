//! What is done to the site, one file a sort of fault.

pub mod clock;
pub mod full;
pub mod kill;
pub mod network;
pub mod planted;
pub mod power;
pub mod redelivery;
pub mod restore;
