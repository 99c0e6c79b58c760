//! Every error code that is known, and those that are not.

use controlplane_core::cloud::LaunchAnswer;
use ec2_core::refusal::{
    Action, CODES, Class, Ended, Failure, Place, Rests, Verdict, ended, group, judge, known,
};
use schema::requirements::Market;
use schema::unit::Millis;
use schema::why::RefusalClass;

fn place(kind: &str, market: Market) -> Place {
    let (zone, subnet) = ("us-west-2a".into(), "subnet-1".into());
    Place { kind: kind.into(), zone, market, subnet }
}

fn verdict(code: &str, message: &str, status: Option<u16>) -> Verdict {
    let failure = Failure { code: (!code.is_empty()).then_some(code), message, status };
    judge(&failure, &place("m7i.large", Market::Spot))
}

#[test]
fn every_known_code_has_its_class_and_its_action() {
    use Class::{Authorisation, Capacity, Configuration, Mismatch, Quota, Throttle, Transient};
    let cases = [
        ("InsufficientInstanceCapacity", Capacity),
        ("UnfulfillableCapacity", Capacity),
        ("InsufficientHostCapacity", Capacity),
        ("InsufficientReservedInstanceCapacity", Capacity),
        ("InsufficientCapacity", Capacity),
        ("ReservationCapacityExceeded", Capacity),
        ("Unsupported", Capacity),
        ("SpotMaxPriceTooLow", Capacity),
        ("InsufficientFreeAddressesInSubnet", Capacity),
        ("InsufficientVolumeCapacity", Capacity),
        ("MaxFleetCountExceeded", Capacity),
        ("MaxSpotInstanceCountExceeded", Quota),
        ("VcpuLimitExceeded", Quota),
        ("InstanceLimitExceeded", Quota),
        ("VolumeLimitExceeded", Quota),
        ("InsufficientAddressCapacity", Quota),
        ("PendingVerification", Quota),
        ("BrandNewLimitExceeded", Quota),
        ("RequestLimitExceeded", Throttle),
        ("Throttling", Throttle),
        ("ThrottlingException", Throttle),
        ("EC2ThrottledException", Throttle),
        ("InternalError", Transient),
        ("InternalFailure", Transient),
        ("ServiceUnavailable", Transient),
        ("Unavailable", Transient),
        ("RequestTimeout", Transient),
        ("InvalidParameterValue", Configuration),
        ("InvalidParameterCombination", Configuration),
        ("InvalidAMIID.NotFound", Configuration),
        ("InvalidAMIID.Malformed", Configuration),
        ("InvalidSubnetID.NotFound", Configuration),
        ("InvalidGroup.NotFound", Configuration),
        ("InvalidLaunchTemplateName.NotFoundException", Configuration),
        ("InvalidUserData.Malformed", Configuration),
        ("InvalidKeyPair.NotFound", Configuration),
        ("MissingParameter", Configuration),
        ("OptInRequired", Authorisation),
        ("UnauthorizedOperation", Authorisation),
        ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", Authorisation),
        ("AuthFailure", Authorisation),
        ("IdempotentParameterMismatch", Mismatch),
    ];
    for (code, class) in cases {
        for before in ["", "Client.", "Server."] {
            let found = verdict(&format!("{before}{code}"), "", Some(400));
            assert_eq!(found.class, class, "{before}{code}");
            let fits = match (class, &found.action) {
                (Capacity | Quota, Action::NewAttempt { rest, .. })
                | (Configuration | Authorisation, Action::Stop { rest, .. }) => *rest > Millis(0),
                (Throttle | Transient, Action::SameToken) | (Mismatch, Action::Reconcile) => true,
                _ => false,
            };
            assert!(fits, "{before}{code}: {found:?}");
        }
    }
}

/// No row hides one below it, and every row is found by its own code.
#[test]
fn the_table_says_each_thing_once() {
    for (code, class, scope, rest) in CODES {
        let code = code.trim_end_matches('*');
        assert_eq!(known(code), Some((*class, *scope)), "{code}");
        let asks_again = matches!(class, Class::Throttle | Class::Transient | Class::Mismatch);
        assert_eq!(*rest == 0, asks_again, "{code} rests {rest} s");
    }
}

#[test]
fn an_unknown_code_is_judged_by_its_status() {
    let cases = [
        (None, Class::Transient),
        (Some(400), Class::Configuration),
        (Some(401), Class::Authorisation),
        (Some(403), Class::Authorisation),
        (Some(404), Class::Configuration),
        (Some(408), Class::Transient),
        (Some(429), Class::Throttle),
        (Some(500), Class::Transient),
        (Some(503), Class::Transient),
        (Some(200), Class::Transient),
    ];
    for (status, class) in cases {
        for code in ["", "Whatever", "Client.Whatever", "Client.", "."] {
            assert_eq!(verdict(code, "", status).class, class, "{code:?} {status:?}");
        }
    }
}

#[test]
fn another_subnet_helps_where_the_error_is_of_the_subnet() {
    let different = "Security group sg-1 and subnet subnet-1 belong to different networks.";
    let full = "There aren't sufficient free Ipv4 addresses or prefixes";
    let full_6 = "There aren't sufficient free IPv6 addresses in the subnet";
    let cases = [
        ("InsufficientInstanceCapacity", "", true),
        ("InsufficientVolumeCapacity", "", true),
        ("Unsupported", "", true),
        ("InvalidSubnetID.NotFound", "", true),
        ("InsufficientFreeAddressesInSubnet", "", true),
        ("InvalidParameter", different, true),
        ("Client.InvalidParameter", different, true),
        ("InvalidParameterValue", full, true),
        ("Client.InvalidParameterValue", full, true),
        ("InvalidParameterValue", full_6, true),
        ("InvalidParameterValue", "Value (m9.large) for parameter instanceType is invalid.", false),
        ("InvalidGroup.NotFound", full, false),
        ("VcpuLimitExceeded", "", false),
        ("RequestLimitExceeded", "", false),
        ("UnauthorizedOperation", "", false),
        ("", "", false),
    ];
    for (code, message, helps) in cases {
        let found = verdict(code, message, Some(400));
        assert_eq!(found.is_of_the_subnet(), helps && !code.is_empty(), "{code}: {found:?}");
    }
    // A full subnet has room again soon; one in another network never will.
    assert_eq!(verdict("InvalidParameterValue", full, Some(400)).class, Class::Capacity);
    assert_eq!(verdict("InvalidParameter", different, Some(400)).class, Class::Configuration);
}

/// The rests of one verdict on `place`.
fn rests(code: &str, place: &Place) -> Rests {
    let failure = Failure { code: Some(code), message: "", status: Some(400) };
    match judge(&failure, place).action {
        Action::NewAttempt { rests, .. } | Action::Stop { rests, .. } => rests,
        other => panic!("{code}: {other:?}"),
    }
}

#[test]
fn a_group_or_a_market_that_is_full_blocks_only_its_own() {
    use Market::{OnDemand, Spot};
    let group = rests("VcpuLimitExceeded", &place("m5.large", OnDemand));
    for (kind, market, blocked) in [
        ("m5.large", OnDemand, true),
        ("c7i.large", OnDemand, true),
        ("m5.large", Spot, false),
        ("g5.large", OnDemand, false),
    ] {
        assert_eq!(group.covers(&place(kind, market)), blocked, "{kind} {market:?}");
    }
    let one = rests("InsufficientInstanceCapacity", &place("g5.large", Spot));
    for (kind, market, blocked) in
        [("g5.large", Spot, true), ("g5.large", OnDemand, false), ("g5.xlarge", Spot, false)]
    {
        assert_eq!(one.covers(&place(kind, market)), blocked, "{kind} {market:?}");
    }
    let elsewhere = Place { zone: "us-west-2b".into(), ..place("g5.large", Spot) };
    assert!(!one.covers(&elsewhere), "another zone");
    let never = rests("Unsupported", &place("g5.large", Spot));
    assert!(never.covers(&place("g5.large", OnDemand)), "a type that a zone has not");
    assert!(!never.covers(&elsewhere));
    let subnet = rests("InsufficientFreeAddressesInSubnet", &place("g5.large", Spot));
    assert!(subnet.covers(&place("m5.large", OnDemand)));
    let other = Place { subnet: "subnet-2".into(), ..place("g5.large", Spot) };
    assert!(!subnet.covers(&other));
    assert!(rests("VolumeLimitExceeded", &other).covers(&elsewhere), "the account's");
}

#[test]
fn types_are_counted_in_groups() {
    let cases = [
        ("m7i.large", "standard"),
        ("c5d.xlarge", "standard"),
        ("i4i.large", "standard"),
        ("im4gn.large", "standard"),
        ("t3.micro", "standard"),
        ("z1d.large", "standard"),
        ("d3.xlarge", "standard"),
        ("dl1.24xlarge", "dl"),
        ("g5.xlarge", "g"),
        ("gr6.4xlarge", "g"),
        ("vt1.3xlarge", "g"),
        ("p4d.24xlarge", "p"),
        ("p5.48xlarge", "p5"),
        ("p5en.48xlarge", "p5"),
        ("inf2.xlarge", "inf"),
        ("trn1.2xlarge", "trn"),
        ("hpc7a.96xlarge", "hpc"),
        ("f1.2xlarge", "f"),
        ("x2gd.large", "x"),
        ("u-6tb1.56xlarge", "u"),
        ("u7i-12tb.224xlarge", "u"),
        ("mac2.metal", "mac"),
        ("q9.large", "q"),
        ("", ""),
    ];
    for (kind, family) in cases {
        assert_eq!(group(kind, Market::Spot).family, family, "{kind}");
    }
}

#[test]
fn the_controller_hears_of_definite_refusals_alone() {
    let answer = |code: &str| {
        let failure = Failure { code: Some(code), message: "no", status: Some(400) };
        judge(&failure, &place("m7i.large", Market::Spot)).answer(&failure)
    };
    let refused = |class, seconds, message: &str| LaunchAnswer::Refused {
        class,
        message: message.into(),
        back_off: Millis::from_secs(seconds),
    };
    let capacity = "InsufficientInstanceCapacity";
    let message = "InsufficientInstanceCapacity: no";
    assert_eq!(answer(capacity), refused(RefusalClass::Capacity, 180, message));
    let message = "VcpuLimitExceeded: no";
    assert_eq!(answer("VcpuLimitExceeded"), refused(RefusalClass::Quota, 60, message));
    let message = "UnauthorizedOperation: no";
    assert_eq!(answer("UnauthorizedOperation"), refused(RefusalClass::Configuration, 600, message));
    for unknown in ["InternalError", "RequestLimitExceeded", "IdempotentParameterMismatch"] {
        assert_eq!(answer(unknown), LaunchAnswer::Unknown(format!("{unknown}: no")));
    }
}

#[test]
fn an_instance_that_was_made_and_died_says_why() {
    let cases = [
        ("Server.InsufficientInstanceCapacity", Ended::Capacity),
        ("Server.InternalError", Ended::Failed),
        ("Server.SpotInstanceTermination", Ended::Interrupted),
        ("Server.SpotInstanceShutdown", Ended::Interrupted),
        ("Server.ScheduledStop", Ended::Scheduled),
        ("Client.VolumeLimitExceeded", Ended::Quota),
        ("Client.InvalidSnapshot.NotFound", Ended::Configuration),
        ("Client.InternalError", Ended::Configuration),
        ("Client.InstanceInitiatedShutdown", Ended::Itself),
        ("Client.UserInitiatedShutdown", Ended::Asked),
        ("Client.SomethingNew", Ended::Unknown),
        ("InternalError", Ended::Unknown),
        ("", Ended::Unknown),
    ];
    for (code, why) in cases {
        assert_eq!(ended(code), why, "{code}");
    }
}
