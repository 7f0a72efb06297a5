//! One file a scene.
pub mod aurora;
pub mod clouds;
pub mod dunes;
pub mod fire;
pub mod forest;
pub mod lake;
pub mod night;
pub mod rain;
pub mod ridges;
pub mod sea;
