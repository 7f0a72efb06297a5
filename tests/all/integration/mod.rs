//! Parts on single real servers, and the rules that hold the parts apart.

mod backups;
mod blobs;
mod disk;
mod gateway;
mod home;
mod layers;
mod power;
mod schemas;
mod worker;
