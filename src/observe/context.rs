//! One context, from its first connection to the end of the program.

use tokio::sync::watch;

use super::{ContextPlan, Focus, Outlet};
use crate::domain::{Fact, Link};

/// Follows one context for as long as it is polled: connects, keeps the heartbeat, lists and watches, asks the engines.
/// It ends only when the plan's entry cannot be used at all, after having said so.
pub async fn follow(plan: ContextPlan, outlet: Outlet, focus: watch::Receiver<Focus>) {
    let _ = focus;
    if let Err(fault) = plan.entry.way {
        outlet.send(Fact::Linked {
            context: plan.id,
            link: Link::Unusable { fault },
        });
    }
}
