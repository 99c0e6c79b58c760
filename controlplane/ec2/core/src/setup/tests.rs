//! What is made, in which order, from wherever it was left.

use super::*;
use crate::account::Status;

fn want() -> Want {
    let zones = vec!["a".into(), "b".into()];
    let block = "10.83.0.0/16".parse().expect("a block");
    Want { zones, block, key: Some("k".into()), profile: Some("p".into()) }
}

/// In an account where IAM may be asked.
fn nothing() -> Has {
    Has { named: Some(Ok(Named::default())), ..Has::default() }
}

/// Makes so many steps, or all; how many there were.
fn make(has: &mut Has, most: usize) -> usize {
    for at in 0..most {
        let Some(step) = next(&want(), has).expect("it can be completed") else { return at };
        has.made(step, format!("id-{at}").into());
    }
    most
}

#[test]
fn what_was_left_at_any_point_is_completed_and_then_nothing_is_made() {
    let mut whole = nothing();
    let steps = make(&mut whole, 100);
    assert_eq!(steps, 15);
    assert!(whole.checks(&want()).iter().all(|check| check.status == Status::Ok));
    for left in 0..=steps {
        let mut has = nothing();
        make(&mut has, left);
        let missing = |has: &Has| {
            has.checks(&want()).iter().filter(|check| check.status == Status::Missing).count()
        };
        assert_eq!(missing(&has) == 0, left == steps, "after {left}");
        assert_eq!(left + make(&mut has, 100), steps);
        assert_eq!(missing(&has), 0);
        assert_eq!(next(&want(), &has), Ok(None));
    }
}

#[test]
fn subnets_of_others_in_the_vpc_keep_their_addresses() {
    let mut has = Has::default();
    make(&mut has, 5);
    has.taken = vec!["10.83.0.0/17".parse().expect("a block")];
    let step = next(&want(), &has).expect("there is room").expect("a subnet");
    let Step::Subnet { zone, block, .. } = step else { panic!("{step:?}") };
    assert_eq!((zone.as_str(), block.to_string().as_str()), ("a", "10.83.128.0/20"));
    has.taken.push("10.83.128.0/17".parse().expect("a block"));
    assert!(next(&want(), &has).expect_err("it is full").contains("no room"));
}

#[test]
fn nothing_is_made_where_nobody_can_tell_which_is_meant() {
    let mut has = Has::default();
    make(&mut has, 100);
    has.vpcs.insert("vpc-2".into(), want().block);
    let error = next(&want(), &has).expect_err("two");
    assert!(error.contains("vpc-2") && error.contains("all but one VPC"), "{error}");
    let mut has = Has::default();
    make(&mut has, 2);
    has.gateways = [("igw-1".into(), Some("vpc-9".into()))].into();
    assert!(next(&want(), &has).expect_err("elsewhere").contains("attached to vpc-9"));
}
