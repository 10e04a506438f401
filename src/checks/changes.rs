//! What changed, for an explanation: the newest of what `domain::timeline` tells, as facts with source and precision.

use super::{Evidence, Known};
use crate::domain::InstanceView;
use crate::domain::timeline::timeline;

/// How many changes an explanation tells; the screens tell all of them.
const TOLD: usize = 20;

/// What changed in an instance, or in one of its pods; nothing where nothing is known to have.
pub(super) fn of(view: &InstanceView<'_>, pod: Option<&str>) -> Option<Known> {
    let changes = timeline(view).into_iter();
    let facts: Vec<Evidence> = changes
        .filter(|change| pod.is_none() || change.pod.as_deref() == pod)
        .take(TOLD)
        .map(|change| {
            let source = format!("{}, {}", change.source, change.precision.word());
            Evidence::new(change.words(), source, change.at)
        })
        .collect();
    let of = pod.map_or_else(|| view.id.to_string(), str::to_owned);
    (!facts.is_empty()).then(|| Known {
        of: format!("the changes in {of}, newest first"),
        facts,
    })
}
