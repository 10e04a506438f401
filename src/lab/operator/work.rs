//! How a controller works: it follows what it watches, queues the keys that changes concern, and looks at one after the
//! other.

use std::future::Future;

use futures::StreamExt;
use tokio::time::Instant;

use super::Operator;
use super::queue::{Outcome, Queue};
use crate::lab::controllers::{Key, follow};
use crate::lab::resources::GroupResource;
use crate::lab::store::Change;

/// One controller of the operator.
pub(super) trait Controller {
    /// Its name in the log.
    const NAME: &'static str;
    /// The kinds whose changes it hears of.
    const WATCHED: &'static [GroupResource<'static>];

    /// The operator that it is a part of.
    fn operator(&self) -> &Operator;

    /// What to look at when following begins, also after a gap. With `known`, everything has been seen before.
    fn first(&self, known: bool) -> Vec<Key>;

    /// The key that a change concerns.
    fn concerned(&self, what: GroupResource<'static>, change: &Change) -> Option<Key>;

    /// Looks at a key, and does what is to be done.
    fn look(&self, key: &Key) -> impl Future<Output = Result<Outcome, String>> + Send;
}

/// Works until the process ends. A `warm` start has seen everything before.
pub(super) async fn keep<C: Controller>(controller: C, warm: bool) {
    let operator = controller.operator();
    let mut queue = Queue::default();
    let mut known = warm;
    loop {
        let mut changes = follow(&operator.store, C::WATCHED);
        for key in controller.first(std::mem::take(&mut known)) {
            queue.add(key);
        }
        loop {
            let next = queue.next();
            let wait = async {
                match &next {
                    Some((_, at)) => tokio::time::sleep_until(*at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                batch = changes.next() => match batch {
                    Some((what, Ok(batch))) => {
                        let concerned = batch.iter().filter_map(|change| controller.concerned(what, change));
                        concerned.for_each(|key| queue.add(key));
                    }
                    _ => break,
                },
                () = wait => {
                    let Some((key, _)) = next.filter(|(_, at)| *at <= Instant::now()) else { continue };
                    queue.take(&key);
                    operator.shared.unstalled().await;
                    let outcome = controller.look(&key).await.unwrap_or_else(Outcome::Failed);
                    if let Outcome::Failed(error) = &outcome {
                        operator.failed(C::NAME, &key.0, &key.1, error);
                    }
                    queue.settle(key, &outcome, |time| operator.shared.scaled(time));
                }
            }
        }
    }
}
