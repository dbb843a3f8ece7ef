//! A second operator, who does not know of the first.

use std::ops::Deref;
use std::sync::Arc;

use super::wait::wait;
use super::{SECOND_OPERATOR, SecondOperatorPlan, World};
use crate::Random;

/// An operator who does not know of the first.
pub(super) struct SecondOperator(pub(super) Arc<World>);

impl Deref for SecondOperator {
    type Target = Arc<World>;

    fn deref(&self) -> &Arc<World> {
        &self.0
    }
}

impl SecondOperator {
    /// Looks, renames, and perhaps connects and disconnects.
    pub(super) async fn work(&self, number: usize, plan: SecondOperatorPlan) {
        let mut random = Random::new(self.seed, &format!("clerk {number}"));
        wait(plan.at).await;
        for call in 0..plan.calls {
            match random.below(if plan.connects { 10 } else { 6 }) {
                0..3 => {
                    self.see().await;
                }
                3..6 => {
                    self.rename(SECOND_OPERATOR, format!("clerk-{number}-{call}"))
                        .await;
                }
                6..8 => {
                    self.connect(SECOND_OPERATOR).await;
                }
                _ => {
                    self.disconnect(SECOND_OPERATOR).await;
                }
            }
            wait(random.below(plan.think)).await;
        }
    }
}
