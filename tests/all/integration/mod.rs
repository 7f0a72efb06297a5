//! Parts on single real servers, and the rules that hold the parts apart.

mod layers;
mod worker;
