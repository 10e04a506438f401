//! What the platform story asks of a shared Dragonfly, criterion by criterion, and which areas answer for each: the profile
//! by which the board and `darner check --profile story` group what they tell.

use super::Area;

/// An acceptance criterion of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Criterion {
    /// The operator.
    Ac1,
    /// The instance.
    Ac2,
    /// The ways to it.
    Ac3,
    /// The policies around it.
    Ac4,
    /// How it is watched.
    Ac5,
    /// Its secrets, and who shares it.
    Ac6,
}

impl Criterion {
    /// Every criterion, in the order of the story.
    pub const ALL: &[Criterion] = &[
        Criterion::Ac1,
        Criterion::Ac2,
        Criterion::Ac3,
        Criterion::Ac4,
        Criterion::Ac5,
        Criterion::Ac6,
    ];

    /// The criterion that an area answers for. What cannot be reached is asked for first of all.
    pub fn of(area: Area) -> Self {
        match area {
            Area::Access | Area::Operator | Area::Gitops => Criterion::Ac1,
            Area::Replication | Area::Instance | Area::Storage => Criterion::Ac2,
            Area::Exposure => Criterion::Ac3,
            Area::Policy => Criterion::Ac4,
            Area::Observability => Criterion::Ac5,
            Area::Secrets | Area::Tenancy => Criterion::Ac6,
        }
    }

    /// The word, as the story and versioned JSON spell it.
    pub fn word(self) -> &'static str {
        match self {
            Criterion::Ac1 => "AC1",
            Criterion::Ac2 => "AC2",
            Criterion::Ac3 => "AC3",
            Criterion::Ac4 => "AC4",
            Criterion::Ac5 => "AC5",
            Criterion::Ac6 => "AC6",
        }
    }

    /// What it asks for.
    pub fn title(self) -> &'static str {
        match self {
            Criterion::Ac1 => "Operator installed and highly available, by GitOps",
            Criterion::Ac2 => "Instance: one master and replicas, with storage",
            Criterion::Ac3 => "Reachable from its consumers in every cluster",
            Criterion::Ac4 => "Network policies: who may, and who must not",
            Criterion::Ac5 => "Metrics and alerts",
            Criterion::Ac6 => "Secrets and tenancy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_criterion_is_answered_for_and_areas_stand_in_its_order() {
        let order: Vec<Criterion> = Area::ALL.iter().map(|area| Criterion::of(*area)).collect();
        assert!(order.is_sorted(), "{order:?}");
        let answered: BTreeSet<Criterion> = order.into_iter().collect();
        assert!(answered.iter().eq(Criterion::ALL));
        let words: BTreeSet<&str> = Criterion::ALL.iter().map(|one| one.word()).collect();
        assert_eq!(words.len(), Criterion::ALL.len());
        assert!(Criterion::ALL.iter().all(|one| !one.title().is_empty()));
    }
}
