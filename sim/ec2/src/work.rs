//! One call from its arrival to its answer: the door, the work, and what becomes of the answer.

use crate::error::Error;
use crate::instances;
use crate::launch;
use crate::market;
use crate::record::{Answered, Call};
use crate::request::{Request, Service};
use crate::rule::{Effect, Failure, Phase};
use crate::shelf;
use crate::world::{World, lock};
use std::time::Duration;

/// What work has come to.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) text: String,
    pub(crate) launched: Vec<String>,
    pub(crate) terminated: Vec<String>,
}

impl Done {
    pub(crate) fn said(text: String) -> Done {
        Done { text, ..Done::default() }
    }
}

/// What goes back to whoever called.
pub(crate) enum Reply {
    Whole(u16, String),
    Half(u16, String),
    Nothing,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        let known = Error::of(&failure.code);
        Error { message: failure.message.unwrap_or(known.message), ..known }
    }
}

impl World {
    pub(crate) async fn handle(&self, request: Request) -> Reply {
        let mut call = self.begin(&request);
        let zone = self.zone(&request).await;
        let door = lock(&self.script).take(Phase::Door, &request, zone.as_deref());
        delay(&door).await;
        if door.contains(&Effect::LoseRequest) {
            call.answered = Answered::RequestLost;
            lock(&self.calls).push(call);
            return Reply::Nothing;
        }
        let (done, after) = match self.door(&request, door) {
            Err(error) => (Err(error), Vec::new()),
            Ok(()) => {
                let done = self.work(&request, zone.as_deref()).await;
                (done, lock(&self.script).take(Phase::Answer, &request, zone.as_deref()))
            }
        };
        delay(&after).await;
        self.answer(call, request.service, done, after)
    }

    fn begin(&self, request: &Request) -> Call {
        let sent = || request.get("UserData").map(|text| text.as_bytes().to_vec());
        Call {
            number: self.number(&request.region),
            at_ms: self.clock.now_ms(),
            action: request.action.clone(),
            region: request.region.clone(),
            parameters: request.parameters.clone(),
            token: request.get("ClientToken").map(str::to_owned),
            user_data: request.user_data().flatten().or_else(sent),
            answered: Answered::Well,
            launched: Vec::new(),
            terminated: Vec::new(),
        }
    }

    fn door(&self, request: &Request, effects: Vec<Effect>) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let mut buckets = lock(&self.buckets);
        let throttled = request.service == Service::Ec2;
        if throttled && buckets.as_mut().is_some_and(|buckets| !buckets.admit(request, now_ms)) {
            return Err(Error::of("RequestLimitExceeded"));
        }
        failure(effects)
    }

    async fn work(&self, request: &Request, zone: Option<&str>) -> Result<Done, Error> {
        if request.action == "RunInstances" {
            // The script has a say in launches alone, not in their repetition.
            return launch::run(self, request, zone).await;
        }
        let effects = lock(&self.script).take(Phase::Work, request, zone);
        failure(effects.clone())?;
        match request.action.as_str() {
            "DescribeInstances" | "DescribeInstanceStatus" if !request.is_true("DryRun") => {
                let answer = instances::look(self, request, &effects).await?;
                Ok(Done::said(answer.render()))
            }
            "TerminateInstances" if !request.is_true("DryRun") => {
                instances::end(self, request).await
            }
            "GetSpotPlacementScores" => {
                market::scores(&lock(&self.market), request).map(|found| Done::said(found.render()))
            }
            "DescribeSpotPriceHistory" => {
                market::prices(&lock(&self.market), request).map(|found| Done::said(found.render()))
            }
            "DescribeInstanceTypes" => {
                shelf::types(self, request).await.map(|found| Done::said(found.render()))
            }
            "DescribeInstanceTypeOfferings" => {
                shelf::offerings(self, request).await.map(|found| Done::said(found.render()))
            }
            "GetProducts" => shelf::products(self, request).map(Done::said),
            _ => {
                self.settle().await?;
                self.known(request, Some(self.clock.now_ms()))?;
                self.pass(request).await.map(Done::said)
            }
        }
    }

    /// Writes the call down, and says what goes back.
    fn answer(
        &self,
        mut call: Call,
        service: Service,
        done: Result<Done, Error>,
        after: Vec<Effect>,
    ) -> Reply {
        let mut told = done.map(|done| {
            (call.launched, call.terminated) = (done.launched.clone(), done.terminated);
            done.text
        });
        let (mut lost, mut cut) = (false, false);
        for effect in after {
            match effect {
                Effect::ErrorAfter(failure) => told = Err(failure.into()),
                Effect::LoseAnswer => lost = true,
                Effect::CutAnswer => cut = true,
                _ => {}
            }
        }
        call.answered = match &told {
            _ if lost => Answered::AnswerLost,
            _ if cut => Answered::AnswerCut,
            Ok(_) => Answered::Well,
            Err(error) => Answered::Error(error.code.clone()),
        };
        lock(&self.calls).push(call);
        let (status, text) = match told {
            Ok(text) => (200, text),
            Err(error) => (error.status(), error.body(service)),
        };
        match (lost, cut) {
            (true, _) => Reply::Nothing,
            (false, true) => Reply::Half(status, text),
            (false, false) => Reply::Whole(status, text),
        }
    }
}

fn failure(effects: Vec<Effect>) -> Result<(), Error> {
    let failure = effects.into_iter().find_map(|effect| match effect {
        Effect::Error(failure) => Some(failure),
        _ => None,
    });
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

async fn delay(effects: &[Effect]) {
    for effect in effects {
        if let Effect::Slow(ms) | Effect::SlowAnswer(ms) = effect {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
        }
    }
}
