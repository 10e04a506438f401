//! What part of the whole a check looks at: how reports group their answers.

/// A part of what is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// The way to a cluster, and what may be read there.
    Access,
    /// The operator and its CRD.
    Operator,
    /// Flux objects that deliver the operator and its instances.
    Gitops,
    /// Roles and links of the nodes.
    Replication,
    /// Pods and engines of an instance.
    Instance,
    /// Claims, volumes and snapshots.
    Storage,
    /// Where clients are sent.
    Exposure,
    /// Who may talk to whom.
    Policy,
    /// Metrics and alerts.
    Observability,
    /// Secrets and what makes them.
    Secrets,
    /// Who shares an instance with whom.
    Tenancy,
}

impl Area {
    /// Every area, in the order of reports.
    pub const ALL: &[Area] = &[
        Area::Access,
        Area::Operator,
        Area::Gitops,
        Area::Replication,
        Area::Instance,
        Area::Storage,
        Area::Exposure,
        Area::Policy,
        Area::Observability,
        Area::Secrets,
        Area::Tenancy,
    ];

    /// The word, as arguments and versioned JSON spell it.
    pub fn word(self) -> &'static str {
        match self {
            Area::Access => "access",
            Area::Operator => "operator",
            Area::Gitops => "gitops",
            Area::Replication => "replication",
            Area::Instance => "instance",
            Area::Storage => "storage",
            Area::Exposure => "exposure",
            Area::Policy => "policy",
            Area::Observability => "observability",
            Area::Secrets => "secrets",
            Area::Tenancy => "tenancy",
        }
    }

    /// A few words for a heading.
    pub fn title(self) -> &'static str {
        match self {
            Area::Access => "The way to the clusters",
            Area::Operator => "Operator and CRD",
            Area::Gitops => "Delivery from Git",
            Area::Replication => "Roles and replication",
            Area::Instance => "Pods and engines",
            Area::Storage => "Storage and snapshots",
            Area::Exposure => "Where clients are sent",
            Area::Policy => "Network policies",
            Area::Observability => "Metrics and alerts",
            Area::Secrets => "Secrets",
            Area::Tenancy => "Tenancy",
        }
    }

    /// The area of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|area| area.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_area_has_a_word_of_its_own_that_leads_back_to_it() {
        let words: BTreeSet<&str> = Area::ALL.iter().map(|area| area.word()).collect();
        assert_eq!(words.len(), Area::ALL.len());
        for area in Area::ALL {
            assert_eq!(Area::of(area.word()), Some(*area));
            assert!(!area.title().is_empty() && !area.word().contains(' '));
        }
        assert_eq!(Area::of("Storage"), None);
        assert_eq!(Area::of(""), None);
    }
}
