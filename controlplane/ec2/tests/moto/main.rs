//! The EC2 cloud before a real moto server, through the proxy that gives it what EC2 has and moto has not.

mod account;
mod crash;
mod fleet;
mod launch;
mod life;
mod lists;
mod prices;
mod refusal;
mod storm;
mod types;
mod world;
