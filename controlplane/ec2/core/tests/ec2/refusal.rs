//! Every error code that is known, and those that are not.

use controlplane_core::cloud::LaunchAnswer;
use ec2_core::refusal::{Action, CODES, Class, Ended, Failure, Verdict, ended, judge, known};
use schema::unit::Millis;
use schema::why::{RefusalClass, RefusalScope};

fn verdict(code: &str, message: &str, status: Option<u16>) -> Verdict {
    let failure = Failure { code: (!code.is_empty()).then_some(code), message, status };
    judge(&failure)
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
fn another_zone_helps_where_the_error_is_of_the_zone() {
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
        assert_eq!(found.is_of_the_zone(), helps && !code.is_empty(), "{code}: {found:?}");
    }
    // A full subnet has room again soon; one in another network never will.
    assert_eq!(verdict("InvalidParameterValue", full, Some(400)).class, Class::Capacity);
    assert_eq!(verdict("InvalidParameter", different, Some(400)).class, Class::Configuration);
}

#[test]
fn the_controller_hears_of_definite_refusals_alone() {
    let answer = |code: &str| {
        let failure = Failure { code: Some(code), message: "no", status: Some(400) };
        judge(&failure).answer(&failure)
    };
    let refused = |class, scope, seconds, message: &str| LaunchAnswer::Refused {
        class,
        message: message.into(),
        scope,
        back_off: Millis::from_secs(seconds),
    };
    let capacity = "InsufficientInstanceCapacity";
    let message = "InsufficientInstanceCapacity: no";
    assert_eq!(
        answer(capacity),
        refused(RefusalClass::Capacity, RefusalScope::Offering, 180, message)
    );
    let message = "VcpuLimitExceeded: no";
    assert_eq!(
        answer("VcpuLimitExceeded"),
        refused(RefusalClass::Quota, RefusalScope::QuotaGroup, 60, message)
    );
    let message = "UnauthorizedOperation: no";
    assert_eq!(
        answer("UnauthorizedOperation"),
        refused(RefusalClass::Authorisation, RefusalScope::Account, 600, message)
    );
    for unknown in ["InternalError", "IdempotentParameterMismatch"] {
        let LaunchAnswer::Unknown(doubt) = answer(unknown) else { panic!("{unknown}") };
        assert_eq!(doubt.message, format!("{unknown}: no"));
    }
    let throttled = "RequestLimitExceeded";
    assert_eq!(answer(throttled), LaunchAnswer::NotYet(format!("{throttled}: no")));
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
