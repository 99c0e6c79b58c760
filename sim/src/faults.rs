//! What goes wrong, and how often. Each seed draws its own: most faults are off in most seeds, so that
//! one does not hide what another would show.

use crate::rng::Rng;

/// Rates, per thousand tries unless the name says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// An append never arrives.
    pub lost_append: u64,
    /// An append is stored and its answer is lost.
    pub lost_answer: u64,
    /// An append arrives long after its author has given up on it.
    pub late_append: u64,
    /// The log asks to try again.
    pub busy: u64,
    /// A heartbeat is lost.
    pub lost_beat: u64,
    /// Longest delay of anything on the network, in milliseconds.
    pub latency: u64,
    /// A launch is refused for want of capacity.
    pub refusal: u64,
    /// A call to the cloud does nothing, and its answer is unknown.
    pub lost_call: u64,
    /// A call to the cloud does its work, and its answer is unknown.
    pub lost_news: u64,
    /// An instance never boots.
    pub stillborn: u64,
    /// Every second: a replica is killed, and another one started.
    pub kill_replica: u64,
    /// Every second: a replica stands still for a while.
    pub pause_replica: u64,
    /// Every second: somebody is cut off from the log for a while.
    pub cut: u64,
    /// Every second: an agent is killed, and started again.
    pub kill_agent: u64,
    /// Every second: a driver is killed, and started again under its id.
    pub kill_driver: u64,
    /// Every second: an instance vanishes.
    pub vanish: u64,
    /// Every second: an instance is told that it will be taken away, and is.
    pub interrupt: u64,
    /// Every second: the log's clock jumps ahead by some seconds.
    pub jump: u64,
}

impl Faults {
    /// What this seed draws.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Faults {
        let mut some = |most: u64| if rng.chance(400) { rng.between(1, most) } else { 0 };
        Faults {
            lost_append: some(100),
            lost_answer: some(100),
            late_append: some(60),
            busy: some(100),
            lost_beat: some(300),
            latency: 1 + some(80),
            refusal: some(500),
            lost_call: some(300),
            lost_news: some(300),
            stillborn: some(200),
            kill_replica: some(150),
            pause_replica: some(150),
            cut: some(150),
            kill_agent: some(150),
            kill_driver: some(100),
            vanish: some(50),
            interrupt: some(100),
            jump: some(30),
        }
    }

    /// Nothing goes wrong any more.
    #[must_use]
    pub fn none() -> Faults {
        Faults { latency: 5, ..Faults::default() }
    }
}
