//! Each zone has its subnet: launches go there, and `fleet verify` looks whether it is what the settings say.

use crate::world::{image, key, order, plain};
use ec2_core::account::{Status, SubnetRow, subnets};
use ec2_core::cloudinit::Flavour;
use ec2_core::credential::credential;
use ec2_core::{Intent, RunRequest};

#[test]
fn a_launch_goes_into_the_subnet_of_its_zone_or_is_none() {
    let config = plain(Flavour::Flatcar);
    let launched = |zone: &str| {
        let mut order = order();
        order.offering.zone = zone.into();
        let intent = Intent::of(&order);
        let credential = credential(&key(), &intent, config.bootstrap_expiry);
        let request = RunRequest::new(&config, &intent, &image(), &credential);
        request.map(|request| (request.subnet.to_string(), request.token))
    };
    let (a, token_a) = launched("us-west-2a").expect("a request");
    let (b, token_b) = launched("us-west-2b").expect("a request");
    assert_eq!((a.as_str(), b.as_str()), ("subnet-0aaa", "subnet-0bbb"));
    assert_ne!(token_a, token_b, "EC2 knows a token in one zone alone");
    for zone in ["us-west-2c", "us-west-2", "US-WEST-2A", "usw2-az1", ""] {
        let error = launched(zone).expect_err(zone).to_string();
        assert!(error.contains("subnet"), "{zone}: {error}");
    }
}

/// The subnet of the first zone as EC2 shows it, how many free addresses it has, and what is said of it.
type Case = (Option<(&'static str, &'static str, &'static str)>, u32, Status, &'static str);

#[test]
fn what_a_subnet_is_not_is_said_of_it() {
    let config = plain(Flavour::Flatcar);
    let cases: [Case; 7] = [
        (Some(("us-west-2a", "usw2-az1", "vpc-1")), 4000, Status::Ok, ""),
        // Settings may call a zone by its id.
        (Some(("us-west-2d", "us-west-2a", "vpc-1")), 4000, Status::Ok, ""),
        (Some(("us-west-2a", "usw2-az1", "vpc-1")), 15, Status::Ok, "before it is full"),
        (Some(("us-west-2a", "usw2-az1", "vpc-1")), 0, Status::Missing, "name a larger one"),
        (Some(("us-west-2c", "usw2-az3", "vpc-1")), 4000, Status::Missing, "in us-west-2a"),
        (None, 0, Status::Missing, "fleet setup --make"),
        (Some(("us-west-2a", "usw2-az1", "vpc-2")), 4000, Status::Ok, ""),
    ];
    for (found, free, status, todo) in cases {
        let row = |id: &str, (zone, zone_id, vpc): (&str, &str, &str), free| SubnetRow {
            id: id.into(),
            vpc: vpc.into(),
            zone: zone.into(),
            zone_id: zone_id.into(),
            free,
            cidr: "10.83.0.0/20".into(),
        };
        let other = row("subnet-0bbb", ("us-west-2b", "usw2-az2", "vpc-1"), 4000);
        let first = found.map(|place| row("subnet-0aaa", place, free));
        let vpcs = if first.as_ref().is_some_and(|row| row.vpc != other.vpc) { 2 } else { 1 };
        let rows = first.into_iter().chain([other]).collect();
        let checks = subnets(&config, &Ok(rows));
        assert_eq!((checks[0].of.as_str(), checks[0].status), ("subnet-0aaa", status), "{found:?}");
        assert!(checks[0].todo.contains(todo), "{:?}", checks[0]);
        assert_eq!((checks[1].of.as_str(), checks[1].status), ("subnet-0bbb", Status::Ok));
        let apart = checks.iter().filter(|check| check.check == "vpc").count();
        assert_eq!(apart, vpcs - 1, "{checks:?}");
    }
}
