//! The EC2 cloud without its world, as tables: settings and intents in, requests and user-data out;
//! errors and rows in, what they mean out.

#[path = "ec2/bucket.rs"]
mod bucket;
#[path = "ec2/cloudinit.rs"]
mod cloudinit;
#[path = "ec2/config.rs"]
mod config;
#[path = "ec2/credential.rs"]
mod credential;
#[path = "ec2/page.rs"]
mod page;
#[path = "ec2/priced.rs"]
mod priced;
#[path = "ec2/refusal.rs"]
mod refusal;
#[path = "ec2/request.rs"]
mod request;
#[path = "ec2/scripts.rs"]
mod scripts;
#[path = "ec2/seen.rs"]
mod seen;
#[path = "ec2/userdata.rs"]
mod userdata;
#[path = "ec2/world.rs"]
mod world;
#[path = "ec2/yaml.rs"]
mod yaml;
#[path = "ec2/zones.rs"]
mod zones;
