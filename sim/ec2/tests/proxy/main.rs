//! The proxy before a real moto server, asked in EC2's query protocol as an SDK would.

mod control;
mod faults;
mod lives;
mod looks;
mod market;
mod token;
mod world;
