//! How likely spot is to be had, as EC2 sees it: placement scores, by class of types and zone.
//!
//! A score is of a set of types: for few of them it is always low, so that types are asked for by their
//! class. EC2 answers but some dozens of questions a day that it was not asked before; these are the same
//! each time until the policy changes.

use crate::Ec2Cloud;
use crate::error::ApiError;
use catalogue::Nowhere;
use controlplane_core::prices::SpotScore;
use schema::event::Scored;
use schema::policy::Policy;
use schema::policy::kind::KindName;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Of fewer types a score says nothing.
const FEWEST: usize = 3;
/// Most types in one question that EC2 takes.
const MOST: usize = 1000;

impl Ec2Cloud {
    /// Asks EC2 for placement scores. What cannot be had is said once, and changes nothing.
    pub(crate) async fn see_scores(&self, policy: &Policy) -> Option<Vec<SpotScore>> {
        let classes = self.classes(policy).ok().filter(|classes| !classes.is_empty())?;
        let asked = self.ask_scores(policy, classes).await;
        self.scores.heard("placement scores", "spot is bought without", &asked);
        asked.ok()
    }

    /// The types that may be bought as spot, by class.
    fn classes(&self, policy: &Policy) -> Result<BTreeMap<SmolStr, Vec<SmolStr>>, Nowhere> {
        let mut classes: BTreeMap<SmolStr, Vec<SmolStr>> = BTreeMap::new();
        let (config, known) = (&self.settings.config, self.types.known());
        for kind in known.catalogue.spot_types(&config.region, policy, config)? {
            classes.entry(KindName::parse(&kind).class.into()).or_default().push(kind);
        }
        classes.retain(|_, kinds| (FEWEST..=MOST).contains(&kinds.len()));
        Ok(classes)
    }

    async fn ask_scores(
        &self,
        policy: &Policy,
        classes: BTreeMap<SmolStr, Vec<SmolStr>>,
    ) -> Result<Vec<SpotScore>, ApiError> {
        // As many as may be launched at once.
        let count = i32::try_from(policy.max_pending).unwrap_or(i32::MAX);
        let mut scores = Vec::new();
        for (class, kinds) in classes {
            let told = self.api.scores(&self.settings.config.region, &kinds, count).await?;
            for (id, score) in told {
                let called = self.called(|zone| zone.id == id).cloned();
                let scored = Scored { class: class.clone(), score };
                scores.extend(called.map(|zone| SpotScore { zone, scored }));
            }
        }
        Ok(scores)
    }
}
