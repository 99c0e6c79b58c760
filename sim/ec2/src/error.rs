//! EC2's errors: a code, the status that it comes with, and the body.
//!
//! Statuses as in the tables of client and server errors of EC2's API reference; that of
//! `InsufficientInstanceCapacity` (500) as seen on the wire.

use crate::request::Service;
use crate::xml::Element;

/// Client errors are 400 unless they stand here.
const STATUSES: [(&str, u16); 22] = [
    ("AccessDenied", 403),
    ("AuthFailure", 401),
    ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", 403),
    ("DryRunOperation", 412),
    ("EntityAlreadyExists", 409),
    ("InsufficientAddressCapacity", 500),
    ("InsufficientCapacity", 500),
    ("InsufficientHostCapacity", 500),
    ("InsufficientInstanceCapacity", 500),
    ("InsufficientReservedInstanceCapacity", 500),
    ("InsufficientVolumeCapacity", 500),
    ("InternalError", 500),
    ("InternalFailure", 500),
    ("EC2ThrottledException", 503),
    ("NoSuchEntity", 404),
    ("OptInRequired", 403),
    ("RequestLimitExceeded", 503),
    ("RequestTimeout", 408),
    ("ServiceUnavailable", 503),
    ("Throttling", 503),
    ("Unavailable", 503),
    ("UnauthorizedOperation", 403),
];
/// What EC2 says before it looks at what is asked for: a repetition of a launch meets these, too.
const AT_THE_DOOR: [&str; 10] = [
    "AuthFailure",
    "EC2ThrottledException",
    "InternalError",
    "InternalFailure",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "Throttling",
    "Unavailable",
    "UnauthorizedOperation",
];
/// What EC2 says beside some codes.
const MESSAGES: [(&str, &str); 8] = [
    (
        "InsufficientInstanceCapacity",
        "We currently do not have sufficient capacity in the Availability Zone you requested.",
    ),
    ("InternalError", "An internal error has occurred"),
    ("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded"),
    ("RequestLimitExceeded", "Request limit exceeded."),
    ("ServiceUnavailable", "Service is unavailable. Please try again shortly."),
    (
        "SpotMaxPriceTooLow",
        "Your Spot request price is lower than the minimum required Spot request fulfillment price.",
    ),
    ("UnauthorizedOperation", "You are not authorized to perform this operation."),
    (
        "VcpuLimitExceeded",
        "You have requested more vCPU capacity than your current vCPU limit allows.",
    ),
];

/// An error as EC2 gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Error {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Error {
        Error { code: code.to_owned(), message: message.into() }
    }

    /// With what EC2 says beside it, as far as that is known.
    pub(crate) fn of(code: &str) -> Error {
        let message = MESSAGES.iter().find(|(known, _)| *known == code).map(|(_, text)| *text);
        Error::new(code, message.unwrap_or(code))
    }

    pub(crate) fn status(&self) -> u16 {
        let known = STATUSES.iter().find(|(code, _)| *code == self.code);
        known.map_or(400, |(_, status)| *status)
    }

    pub(crate) fn body(&self, service: Service) -> String {
        let error = Element::new("Error").leaf("Code", &self.code).leaf("Message", &self.message);
        let id = uuid::Uuid::new_v4().to_string();
        match service {
            Service::Ec2 => {
                let errors = Element::new("Errors").with(error);
                Element::new("Response").with(errors).leaf("RequestID", &id).render()
            }
            Service::Iam => {
                Element::new("ErrorResponse").with(error).leaf("RequestId", &id).render()
            }
            Service::Pricing => {
                serde_json::json!({ "__type": self.code, "message": self.message }).to_string()
            }
        }
    }
}

pub(crate) fn at_the_door(code: &str) -> bool {
    AT_THE_DOOR.contains(&code)
}

/// `InvalidInstanceID.NotFound`, which says nothing about whether they run.
pub(crate) fn unknown_instances(ids: &[String]) -> Error {
    let message = match ids {
        [one] => format!("The instance ID '{one}' does not exist"),
        many => format!("The instance IDs '{}' do not exist", many.join(", ")),
    };
    Error::new("InvalidInstanceID.NotFound", message)
}
