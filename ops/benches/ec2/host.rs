//! In place of EC2's hosts: each instance that is launched has an agent at once, as its user-data says.

use crate::account::Account;
use crate::fleet::now;
use crate::instance::{Agent, files};
use crate::peers::BY_HAND;
use anyhow::anyhow;
use schema::unit::LogTime;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const POLL: Duration = Duration::from_millis(2);

/// When the agent of each instance was started, by its id.
pub(crate) type Begun = BTreeMap<String, LogTime>;

/// Does this while instances that are launched come up.
pub(crate) fn hosting<T>(
    account: &Account,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, Begun)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let host = scope.spawn(|| bring_up(account, &over));
        let done = work();
        over.store(true, Ordering::SeqCst);
        let begun = host.join().map_err(|_| anyhow!("an agent cannot be started"))?;
        Ok((done?, begun))
    })
}

fn bring_up(account: &Account, over: &AtomicBool) -> Begun {
    let (mut begun, mut agents) = (Begun::new(), Vec::new());
    let mut seen = account.proxy.ledger().calls.len();
    while !over.load(Ordering::SeqCst) {
        for call in account.proxy.ledger().calls.into_iter().skip(seen) {
            seen += 1;
            let by_hand = call.token.as_ref().is_some_and(|token| token.starts_with(BY_HAND));
            let ([id], Some(told), false) = (&call.launched[..], &call.user_data, by_hand) else {
                continue;
            };
            let files = files(told);
            begun.insert(id.clone(), now());
            agents.push(Agent::start(id, &files));
        }
        thread::sleep(POLL);
    }
    begun
}
