//! What came of a call that did not go well.

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use ec2_core::account::Said;
use ec2_core::refusal::{Class, Failure, bare, known};
use schema::unit::Millis;
use std::error::Error;

/// Why there is no answer, or not a good one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The call was not made: there was no room for it.
    #[error("not asked: EC2's limits leave no room for another {0} ms")]
    NotYet(Millis),
    /// EC2 or the way there failed.
    #[error("{}", .0.failure())]
    Failed(Failed),
}

/// An error as it came.
#[derive(Debug)]
pub(crate) struct Failed {
    code: Option<String>,
    message: String,
    status: Option<u16>,
}

impl Failed {
    pub(crate) fn of<E>(error: &SdkError<E, HttpResponse>) -> Failed
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let said = match error {
            SdkError::ServiceError(told) => told.err().message().map(str::to_owned),
            _ => None,
        };
        Failed {
            code: error.code().map(str::to_owned),
            message: said.unwrap_or_else(|| chain(error)),
            status: error.raw_response().map(|response| response.status().as_u16()),
        }
    }

    /// A number that EC2's protocol has no room for. The call was not made.
    pub(crate) fn unspeakable(value: u64) -> Failed {
        let (code, message) = ("InvalidParameterValue", format!("{value} is too large a number"));
        Failed { code: Some(code.into()), message, status: None }
    }

    /// A request that the SDK does not make. The call was not made.
    pub(crate) fn unmade(error: &dyn Error) -> Failed {
        Failed { code: None, message: chain(error), status: None }
    }

    /// As the pure part judges it.
    pub(crate) fn failure(&self) -> Failure<'_> {
        Failure { code: self.code.as_deref(), message: &self.message, status: self.status }
    }

    /// The same, for whoever keeps it.
    pub(crate) fn said(self) -> Said {
        Said { code: self.code, message: self.message, status: self.status }
    }

    /// Whether EC2 cannot do this of that kind of thing.
    pub(crate) fn is_unsupported(&self) -> bool {
        self.code.as_deref().is_some_and(|code| bare(code).starts_with("Unsupported"))
    }

    /// Whether EC2 says that it would have done what was only tried.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.code.as_deref().is_some_and(|code| bare(code) == "DryRunOperation")
    }

    /// Whether EC2 said that there were too many calls.
    pub(crate) fn is_throttle(&self) -> bool {
        let class = self.code.as_deref().and_then(known).map(|(class, _)| class);
        class == Some(Class::Throttle) || (class.is_none() && self.status == Some(429))
    }

    /// Whether EC2 said that it knows no such instance.
    pub(crate) fn is_of_an_instance(&self) -> bool {
        self.code.as_deref().is_some_and(|code| bare(code).starts_with("InvalidInstanceID"))
    }
}

/// An error and what it came of, each by its first line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let (mut lines, mut next) = (Vec::new(), Some(error));
    while let Some(error) = next {
        lines.push(error.to_string().lines().next().unwrap_or_default().to_owned());
        next = error.source();
    }
    lines.join(": ")
}
