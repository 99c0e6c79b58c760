//! Every error code of a launch that is known, and what it means.

use super::Class;
use Class::{Authorisation, Capacity, Configuration, Mismatch, Quota, Throttle, Transient};
use RefusalScope::{Account, Offering, QuotaGroup, TypeInZone, Zone};
use schema::why::RefusalScope;

/// Code (with `*` at its end: all that begin so), class, how far it reaches, and how long that rests the
/// first time, in seconds. The first that fits counts.
pub const CODES: &[(&str, Class, RefusalScope, u64)] = &[
    ("InsufficientInstanceCapacity", Capacity, Offering, 180),
    ("InsufficientCapacity", Capacity, Offering, 180),
    ("InsufficientHostCapacity", Capacity, Offering, 180),
    ("InsufficientReservedInstanceCapacity", Capacity, Offering, 180),
    ("ReservationCapacityExceeded", Capacity, Offering, 180),
    ("UnfulfillableCapacity", Capacity, Offering, 180),
    ("SpotMaxPriceTooLow", Capacity, Offering, 300),
    ("InsufficientVolumeCapacity", Capacity, Zone, 180),
    ("MaxFleetCountExceeded", Capacity, Account, 180),
    // The type is not to be had in the zone: that changes rarely.
    ("Unsupported", Capacity, TypeInZone, 3600),
    ("UnsupportedOperation", Capacity, TypeInZone, 3600),
    ("InsufficientFreeAddressesInSubnet", Capacity, Zone, 60),
    ("InsufficientCidrBlocks", Capacity, Zone, 60),
    ("PrivateIpAddressLimitExceeded", Capacity, Zone, 60),
    ("VcpuLimitExceeded", Quota, QuotaGroup, 60),
    ("InstanceLimitExceeded", Quota, QuotaGroup, 60),
    ("MaxSpotInstanceCountExceeded", Quota, QuotaGroup, 60),
    ("SpotInstanceCountLimitExceeded", Quota, QuotaGroup, 60),
    ("VolumeLimitExceeded", Quota, Account, 60),
    ("InsufficientAddressCapacity", Quota, Account, 60),
    ("AddressLimitExceeded", Quota, Account, 60),
    ("NetworkInterfaceLimitExceeded", Quota, Account, 60),
    ("PendingVerification", Quota, Account, 600),
    ("RequestLimitExceeded", Throttle, Account, 0),
    ("Throttling*", Throttle, Account, 0),
    ("ThrottledException", Throttle, Account, 0),
    ("EC2ThrottledException", Throttle, Account, 0),
    ("RequestThrottled*", Throttle, Account, 0),
    ("TooManyRequestsException", Throttle, Account, 0),
    ("BandwidthLimitExceeded", Throttle, Account, 0),
    ("SlowDown", Throttle, Account, 0),
    ("InternalError", Transient, Account, 0),
    ("InternalFailure", Transient, Account, 0),
    ("ServiceUnavailable", Transient, Account, 0),
    ("Unavailable", Transient, Account, 0),
    ("RequestTimeout*", Transient, Account, 0),
    ("RequestExpired", Transient, Account, 0),
    // The token's first request is still being worked on.
    ("ConcurrentIdempotentRequest", Transient, Account, 0),
    ("IdempotentParameterMismatch", Mismatch, Account, 0),
    ("IdempotentInstanceTerminated", Mismatch, Account, 0),
    ("InvalidSubnet*", Configuration, Zone, 600),
    ("InvalidParameter*", Configuration, Account, 600),
    ("InvalidAMIID*", Configuration, Account, 600),
    ("InvalidAMIName*", Configuration, Account, 600),
    ("InvalidGroup*", Configuration, Account, 600),
    ("InvalidSecurityGroup*", Configuration, Account, 600),
    ("InvalidKeyPair*", Configuration, Account, 600),
    ("InvalidLaunchTemplate*", Configuration, Account, 600),
    ("InvalidUserData*", Configuration, Account, 600),
    ("InvalidBlockDeviceMapping", Configuration, Account, 600),
    ("InvalidSnapshot*", Configuration, Account, 600),
    ("InvalidZone*", Configuration, Account, 600),
    ("InvalidInput", Configuration, Account, 600),
    ("MissingParameter", Configuration, Account, 600),
    ("MalformedQueryString", Configuration, Account, 600),
    ("VPCIdNotSpecified", Configuration, Account, 600),
    ("UnauthorizedOperation", Authorisation, Account, 600),
    ("AuthFailure*", Authorisation, Account, 600),
    ("AccessDenied*", Authorisation, Account, 600),
    ("OptInRequired", Authorisation, Account, 600),
    ("Blocked", Authorisation, Account, 600),
    ("InvalidClientTokenId", Authorisation, Account, 600),
    ("ExpiredToken*", Authorisation, Account, 600),
    ("SignatureDoesNotMatch", Authorisation, Account, 600),
];

/// Whether a code is this one of the table.
pub(super) fn fits(known: &str, code: &str) -> bool {
    match known.strip_suffix('*') {
        Some(start) => code.starts_with(start),
        None => code == known,
    }
}
