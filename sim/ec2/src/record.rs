//! The record of all calls, for tests to judge by.

use crate::request::Parameters;
use serde::Serialize;
use std::collections::BTreeMap;

/// One call, as it came and as it was answered.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// 1, 2, 3, ... in the order of arrival; written down in the order of answers.
    pub number: u64,
    /// When it came: milliseconds since the proxy began, by its clock.
    pub at_ms: u64,
    /// Such as `RunInstances`.
    pub action: String,
    /// From the signature.
    pub region: String,
    /// All of them, decoded.
    pub parameters: Parameters,
    /// The client token.
    pub token: Option<String>,
    /// The user data, decoded; as it was sent if it is not base64.
    pub user_data: Option<Vec<u8>>,
    /// What whoever called was told.
    pub answered: Answered,
    /// The instances that moto launched for it: nothing for a repetition.
    pub launched: Vec<String>,
    /// The instances that moto ended for it.
    pub terminated: Vec<String>,
}

/// What whoever called was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    /// What was asked for.
    Well,
    /// This error of EC2's.
    Error(String),
    /// Nothing, and nothing happened.
    RequestLost,
    /// Nothing, though it happened or failed.
    AnswerLost,
    /// Half of it.
    AnswerCut,
}

/// All calls up to a moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ledger {
    /// In the order of answers.
    pub calls: Vec<Call>,
}

impl Ledger {
    /// The calls of one action.
    pub fn of<'a>(&'a self, action: &'a str) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().filter(move |call| call.action == action)
    }

    fn with_token<'a>(&'a self, token: &'a str) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().filter(move |call| call.token.as_deref() == Some(token))
    }

    /// Every instance that was ever launched with a token, in whichever zone.
    #[must_use]
    pub fn launched(&self, token: &str) -> Vec<String> {
        self.with_token(token).flat_map(|call| call.launched.clone()).collect()
    }

    /// Every instance that was ever launched.
    #[must_use]
    pub fn made(&self) -> Vec<String> {
        self.calls.iter().flat_map(|call| call.launched.clone()).collect()
    }

    /// All user data that was ever sent with a token, byte for byte, whether anything came of it.
    #[must_use]
    pub fn user_data(&self, token: &str) -> Vec<Vec<u8>> {
        self.with_token(token).filter_map(|call| call.user_data.clone()).collect()
    }

    /// How many calls of an action came in each second in which there were any.
    #[must_use]
    pub fn per_second(&self, action: &str) -> BTreeMap<u64, u64> {
        let mut counts = BTreeMap::new();
        for call in self.of(action) {
            *counts.entry(call.at_ms / 1000).or_default() += 1;
        }
        counts
    }
}

/// An instance as moto has it, whatever the proxy says of it.
#[derive(Clone, Debug, Serialize)]
pub struct Truth {
    /// Its id.
    pub id: String,
    /// `pending`, `running`, `stopped`, `terminated`, and what lies between.
    pub state: String,
    /// With which it was launched.
    pub token: String,
    /// Such as `m5.large`.
    pub instance_type: String,
    /// By name.
    pub zone: String,
    /// Whether it is a spot instance.
    pub spot: bool,
    /// By key.
    pub tags: BTreeMap<String, String>,
}

impl Truth {
    /// Whether it still runs, or is about to.
    #[must_use]
    pub fn runs(&self) -> bool {
        matches!(self.state.as_str(), "pending" | "running")
    }
}
