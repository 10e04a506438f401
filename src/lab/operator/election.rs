//! Who is master, and who shall be: the rules of operator v1.6.1, as functions of what it sees.

/// A pod of an instance, as the operator sees it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::lab) struct Candidate {
    /// Pod name.
    pub(in crate::lab) name: String,
    /// Its ordinal in the StatefulSet.
    pub(in crate::lab) ordinal: u32,
    /// The `role` label.
    pub(in crate::lab) role: Option<Role>,
    /// Ready in the operator's eyes: running, ready containers, an address, not going, not loading.
    pub(in crate::lab) ready: bool,
    /// Whether it is of the set's update revision.
    pub(in crate::lab) updated: bool,
    /// `slave_repl_offset` of INFO, where the engine tells it.
    pub(in crate::lab) offset: Option<u64>,
}

/// What the `role` label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Role {
    Master,
    Replica,
}

impl Role {
    /// Reads the label; anything else counts as no role.
    pub(in crate::lab) fn of(label: Option<&str>) -> Option<Self> {
        match label {
            Some("master") => Some(Self::Master),
            Some("replica") => Some(Self::Replica),
            _ => None,
        }
    }
}

/// What the labels say about the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Labelled {
    /// Exactly one ready pod carries the label.
    One(String),
    /// No pod carries it.
    None,
    /// Some do, but none of them is ready.
    NoneHealthy,
    /// Several ready pods carry it.
    Several,
}

impl Labelled {
    /// The operator's error text.
    pub(in crate::lab) fn error(&self) -> &'static str {
        match self {
            Self::One(_) => "",
            Self::None => "no master found",
            Self::NoneHealthy => "no healthy master found",
            Self::Several => "incorrect number of masters",
        }
    }
}

/// The master by label. During a rollout only pods of the update revision count, if any of them carries the label.
pub(in crate::lab) fn labelled(pods: &[Candidate], rolling: bool) -> Labelled {
    let mut masters: Vec<&Candidate> = pods
        .iter()
        .filter(|pod| pod.role == Some(Role::Master))
        .collect();
    if rolling && masters.iter().any(|pod| pod.updated) {
        masters.retain(|pod| pod.updated);
    }
    if masters.is_empty() {
        return Labelled::None;
    }
    masters.retain(|pod| pod.ready);
    match masters.as_slice() {
        [] => Labelled::NoneHealthy,
        [one] => Labelled::One(one.name.clone()),
        _ => Labelled::Several,
    }
}

/// Whom to promote: of the ready pods first those labelled replica, then the highest offset, then the lowest ordinal.
pub(in crate::lab) fn elect(pods: &[Candidate]) -> Option<&Candidate> {
    pods.iter().filter(|pod| pod.ready).min_by_key(|pod| {
        let no_replica = pod.role != Some(Role::Replica);
        (
            no_replica,
            std::cmp::Reverse(pod.offset.unwrap_or(0)),
            pod.ordinal,
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `m` master, `r` replica, `-` no label; a capital is not ready; the number is the offset.
    fn pods(text: &str) -> Vec<Candidate> {
        text.split_whitespace()
            .enumerate()
            .map(|(at, word)| {
                let (kind, offset) = word.split_at(1);
                let role = match kind.to_ascii_lowercase().as_str() {
                    "m" => Some(Role::Master),
                    "r" => Some(Role::Replica),
                    _ => None,
                };
                Candidate {
                    name: format!("df-{at}"),
                    ordinal: u32::try_from(at).unwrap(),
                    role,
                    ready: !matches!(kind, "M" | "R" | "_"),
                    updated: false,
                    offset: offset.parse().ok(),
                }
            })
            .collect()
    }

    #[test]
    fn the_label_names_a_master_only_when_one_ready_pod_has_it() {
        let table = [
            ("m r5 r5", Labelled::One("df-0".into())),
            ("r5 r5", Labelled::None),
            ("M r5 r5", Labelled::NoneHealthy),
            ("m r5 m", Labelled::Several),
            ("M r5 m", Labelled::One("df-2".into())),
        ];
        for (text, wanted) in table {
            assert_eq!(labelled(&pods(text), false), wanted, "{text}");
        }
    }

    #[test]
    fn during_a_rollout_the_new_revision_wins() {
        let mut both = pods("m m");
        assert_eq!(labelled(&both, true), Labelled::Several);
        if let Some(one) = both.last_mut() {
            one.updated = true;
        }
        assert_eq!(labelled(&both, true), Labelled::One("df-1".into()));
        assert_eq!(labelled(&both, false), Labelled::Several);
    }

    #[test]
    fn the_highest_offset_of_the_labelled_replicas_is_elected() {
        let table = [
            ("M r10 r20", Some("df-2")),
            ("M r20 r20", Some("df-1")),
            ("- r10", Some("df-1")),
            ("- -", Some("df-0")),
            ("M R90 r10", Some("df-2")),
            ("M R _", None),
            ("-90 r", Some("df-1")),
        ];
        for (text, wanted) in table {
            let pods = pods(text);
            assert_eq!(elect(&pods).map(|pod| pod.name.as_str()), wanted, "{text}");
        }
    }
}
