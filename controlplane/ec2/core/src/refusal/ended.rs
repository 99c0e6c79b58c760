//! Why an instance that was made is no more, by EC2's state reason.

/// Why an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There was no capacity after all: as a refusal of its offering.
    Capacity,
    /// A quota was used up while it started: as a refusal of its quota group.
    Quota,
    /// It could never start like this: as a refused configuration.
    Configuration,
    /// EC2 took spot capacity back.
    Interrupted,
    /// EC2 retired the machine under it, on notice.
    Scheduled,
    /// EC2 failed.
    Failed,
    /// It shut itself down: its agent left, or never joined.
    Itself,
    /// Somebody ended it: the leader, or a person in the account.
    Asked,
    /// EC2 does not say, or says something new.
    Unknown,
}

/// Why an instance ended, by the code of its state reason. Here the part before the dot matters.
#[must_use]
pub fn ended(code: &str) -> Ended {
    match code {
        "Server.InsufficientInstanceCapacity" => Ended::Capacity,
        "Client.VolumeLimitExceeded" | "Client.InstanceLimitExceeded" => Ended::Quota,
        // EC2's word for a volume whose key may not be used.
        "Client.InternalError" | "Client.InvalidSnapshot.NotFound" => Ended::Configuration,
        "Server.SpotInstanceTermination" | "Server.SpotInstanceShutdown" => Ended::Interrupted,
        "Server.ScheduledStop" => Ended::Scheduled,
        "Server.InternalError" => Ended::Failed,
        "Client.InstanceInitiatedShutdown" => Ended::Itself,
        "Client.UserInitiatedShutdown" | "Client.UserInitiatedHibernate" => Ended::Asked,
        _ => Ended::Unknown,
    }
}

impl Ended {
    /// In words, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Ended::Capacity => "there was no capacity for it after all",
            Ended::Quota => "a quota was used up while it started",
            Ended::Configuration => "it could not start as it was configured",
            Ended::Interrupted => "EC2 took spot capacity back",
            Ended::Scheduled => "EC2 retired the machine under it",
            Ended::Failed => "EC2 failed",
            Ended::Itself => "it shut itself down",
            Ended::Asked => "somebody ended it",
            Ended::Unknown => "EC2 does not say why it is gone",
        }
    }
}
