//! Whose CRD is installed: its schema against the operator's version. A field that the schema lacks is dropped silently
//! by the API server when somebody writes it, and the chart does not renew the CRD by itself in every set-up.

use crate::domain::Version;
use crate::domain::object::Crd;

/// Fields of `spec` that came after v1.1.0, with the operator that brought them (`snapshot.NAME` for those inside).
const CAME: &[(Version, &[&str])] = &[
    (
        Version(1, 1, 2),
        &[
            "nodeSelector",
            "topologySpreadConstraints",
            "priorityClassName",
            "aclFromSecret",
            "memcachedPort",
            "skipFSGroup",
        ],
    ),
    (
        Version(1, 1, 9),
        &["imagePullPolicy", "imagePullSecrets", "initContainers"],
    ),
    (
        Version(1, 2, 0),
        &[
            "tiering",
            "additionalContainers",
            "additionalVolumes",
            "containerSecurityContext",
            "podSecurityContext",
        ],
    ),
    (Version(1, 3, 0), &["snapshot.enableOnMasterOnly"]),
    (
        // The code of v1.3.0 knows ownedObjectsMetadata, the chart's CRD only from here on.
        Version(1, 4, 0),
        &[
            "ownedObjectsMetadata",
            "snapshot.existingPersistentVolumeClaimName",
        ],
    ),
    (
        Version(1, 5, 0),
        &[
            "pdb",
            "networkPolicyEnabled",
            "enableReplicationReadinessGate",
        ],
    ),
    (
        Version(1, 6, 0),
        &[
            "podMetadata",
            "customLivenessProbeConfigMap",
            "customReadinessProbeConfigMap",
            "customStartupProbeConfigMap",
        ],
    ),
];

/// How a schema compares with an operator.
#[derive(Debug, PartialEq, Eq)]
pub enum Schema {
    /// It has what the operator knows, and no more.
    Fits,
    /// It lacks these fields that the operator knows.
    Older(Vec<&'static str>),
    /// It has these fields that the operator ignores.
    Newer(Vec<&'static str>),
    /// It shows no fields at all, so nothing can be told.
    Untold,
}

/// Compares.
pub fn compare(crd: &Crd, operator: Version) -> Schema {
    if crd.spec_fields.is_empty() {
        return Schema::Untold;
    }
    let has = |field: &str| crd.spec_fields.iter().any(|known| known == field);
    // A schema that does not look into `snapshot` says nothing of what is inside.
    let looks_inside = crd.spec_fields.iter().any(|f| f.starts_with("snapshot."));
    let (mut lacks, mut ignored) = (Vec::new(), Vec::new());
    for (version, fields) in CAME {
        for field in *fields {
            if field.starts_with("snapshot.") && !looks_inside {
                continue;
            }
            match (*version <= operator, has(field)) {
                (true, false) => lacks.push(*field),
                // The raw CRD of v1.3.0 has this one before its chart does.
                (false, true) if *field != "ownedObjectsMetadata" => ignored.push(*field),
                _ => {}
            }
        }
    }
    match (lacks.is_empty(), ignored.is_empty()) {
        (false, _) => Schema::Older(lacks),
        (true, false) => Schema::Newer(ignored),
        (true, true) => Schema::Fits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crd_of(version: Version) -> Crd {
        let mut spec_fields: Vec<String> = ["image", "replicas", "snapshot.cron"]
            .into_iter()
            .chain(
                CAME.iter()
                    .filter(|(came, _)| *came <= version)
                    .flat_map(|(_, fields)| fields.iter().copied()),
            )
            .map(str::to_owned)
            .collect();
        spec_fields.sort();
        Crd {
            spec_fields,
            ..Crd::default()
        }
    }

    #[test]
    fn a_schema_is_older_newer_or_fits() {
        for (crd, operator, wanted) in [
            (crd_of(Version(1, 6, 0)), Version(1, 6, 1), Schema::Fits),
            (crd_of(Version(1, 3, 1)), Version(1, 3, 0), Schema::Fits),
            (
                crd_of(Version(1, 4, 0)),
                Version(1, 5, 0),
                Schema::Older(vec![
                    "pdb",
                    "networkPolicyEnabled",
                    "enableReplicationReadinessGate",
                ]),
            ),
            (
                crd_of(Version(1, 4, 0)),
                Version(1, 3, 1),
                Schema::Newer(vec!["snapshot.existingPersistentVolumeClaimName"]),
            ),
            (Crd::default(), Version(1, 6, 1), Schema::Untold),
        ] {
            assert_eq!(compare(&crd, operator), wanted, "{operator}");
        }
    }
}
