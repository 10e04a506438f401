//! Who leads among an operator's pods, by its Lease: the one place that says so.
//!
//! A holder is a leader only while the Lease is fresh: the operator renews it every two seconds and never releases it,
//! so the name of a holder that is long gone stays written in it.

use jiff::Timestamp;

use super::Limits;
use super::case::later;
use crate::domain::Kind;
use crate::domain::object::Lease;
use crate::domain::world::{ContextWorld, Held};

/// Who leads.
#[derive(Debug)]
pub enum Leader<'a> {
    /// It cannot be told: there is no Lease, or it may not be read.
    Unknown,
    /// The holder of this Lease, at least until that moment.
    Fresh(&'a Held<Lease>, Timestamp),
    /// Nobody: this Lease was last renewed at that moment.
    Expired(&'a Held<Lease>, Timestamp),
}

impl<'a> Leader<'a> {
    /// The pod that leads: the holder's name without the uuid behind it.
    pub fn pod(&self) -> Option<&'a str> {
        match self {
            Leader::Fresh(held, _) => {
                let holder = held.value.holder.as_deref()?;
                Some(holder.split_once('_').map_or(holder, |(pod, _)| pod))
            }
            Leader::Unknown | Leader::Expired(..) => None,
        }
    }
}

/// Who leads the operator of a context. The Lease that was renewed last counts, where Leases of older installs lie about.
pub fn leader<'a>(context: &'a ContextWorld, limits: &Limits, now: Timestamp) -> Leader<'a> {
    let newest = context.leases.iter().max_by_key(|held| held.value.renewed);
    let Some((held, renewed)) = newest.and_then(|held| Some((held, held.value.renewed?))) else {
        return Leader::Unknown;
    };
    if !context.has_listed(Kind::OperatorLease) {
        return Leader::Unknown;
    }
    let until = later(renewed, limits.lease);
    match until > now && held.value.holder.is_some() {
        true => Leader::Fresh(held, until),
        false => Leader::Expired(held, renewed),
    }
}
