//! Leader election by Lease, with the durations of controller-runtime.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::lab::clock;
use crate::lab::json::{number, set, text};

/// Name of the operator's Lease.
pub(in crate::lab) const LEASE: &str = "31079dea.dragonflydb.io";
/// Seconds without renewal after which another may take it.
pub(in crate::lab) const DURATION: i64 = 15;
/// How often holders renew and others look.
pub(in crate::lab) const RETRY: std::time::Duration = std::time::Duration::from_secs(2);

/// What a candidate does about the Lease it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Act {
    /// Nobody holds it.
    Create,
    /// It is ours.
    Renew,
    /// The holder was silent too long.
    Take,
    /// Somebody else leads.
    Wait,
}

/// The decision of `me`, who has seen the Lease unchanged since `seen`, and takes it from a holder that was silent for
/// longer than `patience`: [`DURATION`] in lab time.
pub(in crate::lab) fn act(
    lease: Option<&Value>,
    me: &str,
    seen: Timestamp,
    now: Timestamp,
    patience: SignedDuration,
) -> Act {
    let Some(lease) = lease else {
        return Act::Create;
    };
    match text(lease, "/spec/holderIdentity") {
        holder if holder == me => Act::Renew,
        "" => Act::Take,
        _ if now.duration_since(seen) > patience => Act::Take,
        _ => Act::Wait,
    }
}

/// A Lease held by `me` since `now`.
pub(in crate::lab) fn new(namespace: &str, me: &str, now: Timestamp) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": LEASE, "namespace": namespace},
        "spec": {
            "acquireTime": clock::micros(now),
            "holderIdentity": me,
            "leaseDurationSeconds": DURATION,
            "leaseTransitions": 0,
            "renewTime": clock::micros(now),
        },
    })
}

/// Renews or takes a Lease.
pub(in crate::lab) fn hold(lease: &mut Value, me: &str, now: Timestamp) {
    if text(lease, "/spec/holderIdentity") != me {
        let transitions = number(lease, "/spec/leaseTransitions").unwrap_or(0) + 1;
        set(lease, &["spec", "leaseTransitions"], transitions.into());
        set(lease, &["spec", "acquireTime"], clock::micros(now).into());
        set(lease, &["spec", "holderIdentity"], me.into());
    }
    // A clock that was put back leaves no Lease that was taken after it was renewed.
    if text(lease, "/spec/acquireTime") > clock::micros(now).as_str() {
        set(lease, &["spec", "acquireTime"], clock::micros(now).into());
    }
    set(lease, &["spec", "renewTime"], clock::micros(now).into());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_lease_is_taken_only_from_a_silent_holder() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let ago = |seconds| now - SignedDuration::from_secs(seconds);
        let lease = new("o", "a", now);
        let decided =
            |lease, me, seen| act(lease, me, seen, now, SignedDuration::from_secs(DURATION));
        assert_eq!(decided(None, "a", now), Act::Create);
        assert_eq!(decided(Some(&lease), "a", ago(99)), Act::Renew);
        assert_eq!(decided(Some(&lease), "b", ago(14)), Act::Wait);
        assert_eq!(decided(Some(&lease), "b", ago(16)), Act::Take);
        let mut taken = lease;
        hold(&mut taken, "b", now);
        assert_eq!(text(&taken, "/spec/holderIdentity"), "b");
        assert_eq!(number(&taken, "/spec/leaseTransitions"), Some(1));
        hold(&mut taken, "b", now);
        assert_eq!(number(&taken, "/spec/leaseTransitions"), Some(1));
        // Its cluster's clock ran ahead, and was put right.
        hold(&mut taken, "b", ago(60));
        for field in ["/spec/acquireTime", "/spec/renewTime"] {
            assert_eq!(text(&taken, field), clock::micros(ago(60)), "{field}");
        }
    }
}
