//! Who leads among an operator's pods, by its Lease: the one place that says so, for the strip, the report and the check.
//!
//! A holder is a leader only while the Lease is fresh. The operator renews its Lease every two seconds and never releases
//! it, so the name of a holder that is long gone stays written in it. `renewTime` is by the clock of the holder's
//! machine, which may be wrong; a renewal that was seen to happen is by ours, and outweighs it (client-go judges so too).

use jiff::Timestamp;

use super::Limits;
use super::case::later;
use super::crd_missing::is_all_followed;
use crate::domain::Kind;
use crate::domain::object::Lease;
use crate::domain::world::{ContextWorld, Held};

/// What a Lease lasts where it does not say so: the default of controller-runtime, seconds.
const DURATION: i64 = 15;
/// Clocks of machines differ by less than this, seconds.
const CLOCKS_DIFFER: i64 = 60;

/// Who leads.
#[derive(Debug)]
pub enum Leader<'a> {
    /// It cannot be told: there is no Lease, it may not be read, or it was not watched for long enough.
    Unknown,
    /// The holder of this Lease, at least until that moment.
    Fresh(&'a Held<Lease>, Timestamp),
    /// Nobody: this Lease was last renewed at that moment, by our clock.
    Expired(&'a Held<Lease>, Timestamp),
}

impl<'a> Leader<'a> {
    /// The pod that leads: the holder's name without the uuid behind it.
    pub fn pod(&self) -> Option<&'a str> {
        match self {
            Leader::Fresh(held, _) => holder(&held.value).map(pod_of),
            Leader::Unknown | Leader::Expired(..) => None,
        }
    }
}

/// The holder, if the Lease names one.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    lease.holder.as_deref().filter(|holder| !holder.is_empty())
}

/// The pod's name in a holder's: `<pod>_<uuid>`.
pub(super) fn pod_of(holder: &str) -> &str {
    holder.split_once('_').map_or(holder, |(pod, _)| pod)
}

/// Who leads the operator of a context. The Lease that was renewed last counts, where Leases of older installs lie about.
pub fn leader<'a>(context: &'a ContextWorld, limits: &Limits, now: Timestamp) -> Leader<'a> {
    if !is_all_followed(context, Kind::OperatorLease, limits, now) {
        return Leader::Unknown;
    }
    let Some(held) = newest(context) else {
        return Leader::Unknown;
    };
    let lease = &held.value;
    let Some(renewed) = lease.renewed else {
        return Leader::Unknown;
    };
    let renewed = context.by_our_clock(renewed);
    let duration = lease.duration.filter(|s| *s > 0).unwrap_or(DURATION);
    let is_held = holder(lease).is_some();
    if let Some(seen) = context.renewal_seen(&lease.meta.namespace, &lease.meta.name) {
        let until = later(seen, duration);
        return match is_held && until > now {
            true => Leader::Fresh(held, until),
            false => Leader::Expired(held, seen),
        };
    }
    // It was not renewed since we look. If its time is past by the holder's clock, either nobody renews it or that clock is
    // behind; watching it for as long as it lasts tells, and no clock is behind by more than a minute.
    let until = later(renewed, duration);
    let watched = later(held.first_seen, duration) <= now;
    if !is_held {
        Leader::Expired(held, renewed)
    } else if until > now && !watched {
        Leader::Fresh(held, until.min(later(held.first_seen, duration)))
    } else if watched || later(until, CLOCKS_DIFFER) <= now {
        Leader::Expired(held, renewed.min(held.first_seen))
    } else {
        Leader::Unknown
    }
}

/// When the answer may be another by time alone.
pub(super) fn changes_at(
    context: &ContextWorld,
    leader: &Leader<'_>,
    now: Timestamp,
) -> Option<Timestamp> {
    match leader {
        Leader::Fresh(_, until) => Some(*until),
        Leader::Expired(..) => None,
        Leader::Unknown => {
            let held = newest(context)?;
            let duration = held.value.duration.filter(|s| *s > 0).unwrap_or(DURATION);
            Some(later(held.first_seen, duration))
        }
    }
    .filter(|at| *at > now)
}

/// The Lease that was renewed last.
pub(super) fn newest(context: &ContextWorld) -> Option<&Held<Lease>> {
    context.leases.iter().max_by_key(|held| held.value.renewed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::fixture::*;
    use crate::domain::object::Meta;
    use crate::domain::{Fact, Object, Scope};
    use std::sync::Arc;

    fn lease(renewed: i64, holder: &str) -> Object {
        Object::OperatorLease(Arc::new(Lease {
            meta: Meta {
                name: Arc::from("31079dea.dragonflydb.io"),
                ..Meta::default()
            },
            holder: Some(holder.to_owned()),
            renewed: Some(ago(renewed)),
            duration: Some(15),
            ..Lease::default()
        }))
    }

    /// What is said of a Lease listed so many seconds ago, then seen renewed so many seconds ago.
    fn said(listed: (i64, Object), seen: Option<(i64, Object)>) -> String {
        let mut f = healthy().build();
        let fact = Fact::Listed {
            context: infra(),
            kind: Kind::OperatorLease,
            scope: Scope::Cluster,
            objects: vec![listed.1],
        };
        f.tell(fact, ago(listed.0));
        if let Some((at, object)) = seen {
            let context = infra();
            f.tell(Fact::Seen { context, object }, ago(at));
        }
        let context = f.world.context(&infra()).unwrap();
        match leader(context, &Limits::default(), now()) {
            Leader::Unknown => "unknown".to_owned(),
            Leader::Fresh(held, until) => format!(
                "{} until {}",
                pod_of(holder(&held.value).unwrap()),
                until.as_second() - now().as_second()
            ),
            Leader::Expired(_, at) => {
                format!("nobody since {}", now().as_second() - at.as_second())
            }
        }
    }

    #[test]
    fn a_holder_leads_only_while_its_lease_is_fresh() {
        for (case, listed, seen, wanted) in [
            ("just listed", (1, lease(2, "a_1")), None, "a until 13"),
            (
                "seen renewed",
                (60, lease(62, "a_1")),
                Some((3, lease(3, "a_1"))),
                "a until 12",
            ),
            (
                "renewed by a clock that is ten minutes behind",
                (60, lease(662, "a_1")),
                Some((3, lease(603, "a_1"))),
                "a until 12",
            ),
            (
                "renewed by a clock that is ten minutes ahead, and no more",
                (60, lease(-540, "a_1")),
                Some((40, lease(-560, "a_1"))),
                "nobody since 40",
            ),
            (
                "never renewed while we watch",
                (60, lease(62, "a_1")),
                None,
                "nobody since 62",
            ),
            (
                "written in the future, and never renewed while we watch",
                (60, lease(-540, "a_1")),
                None,
                "nobody since 60",
            ),
            (
                "long dead",
                (1, lease(300, "a_1")),
                None,
                "nobody since 300",
            ),
            (
                "past, but a clock may be behind and we look since a second",
                (1, lease(40, "a_1")),
                None,
                "unknown",
            ),
            ("released", (1, lease(2, "")), None, "nobody since 2"),
        ] {
            assert_eq!(said(listed, seen), wanted, "{case}");
        }
    }
}
