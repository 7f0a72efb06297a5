//! Parts on single real servers, and the rules that hold the parts apart.

mod backups;
mod blobs;
mod home;
mod layers;
mod worker;
