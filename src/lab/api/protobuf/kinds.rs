//! The messages, as tables.

use super::{Message, Type};
use Type::{
    BytesMap, Flag, IntOrString, Messages, Number, QuantityMap, Set, SetFlag, Skip, Text, TextMap,
    Texts, Time,
};

/// Version, kind, fields.
pub(super) const KINDS: &[(&str, &str, Message)] = &[
    (
        "authorization.k8s.io/v1",
        "SelfSubjectAccessReview",
        ACCESS_REVIEW,
    ),
    (
        "authorization.k8s.io/v1",
        "SelfSubjectRulesReview",
        RULES_REVIEW,
    ),
    (
        "authentication.k8s.io/v1",
        "SelfSubjectReview",
        &[(1, "metadata", META), (2, "status", Skip)],
    ),
    (
        "v1",
        "Namespace",
        &[
            (1, "metadata", META),
            (2, "spec", Skip),
            (3, "status", Skip),
        ],
    ),
    ("v1", "ConfigMap", CONFIG_MAP),
    ("v1", "Secret", SECRET),
    ("v1", "ServiceAccount", SERVICE_ACCOUNT),
    (
        "v1",
        "Service",
        &[
            (1, "metadata", META),
            (2, "spec", Type::Message(SERVICE)),
            (3, "status", Skip),
        ],
    ),
    (
        "apps/v1",
        "Deployment",
        &[
            (1, "metadata", META),
            (2, "spec", Type::Message(DEPLOYMENT)),
            (3, "status", Skip),
        ],
    ),
    (
        "policy/v1",
        "PodDisruptionBudget",
        &[
            (1, "metadata", META),
            (2, "spec", Type::Message(BUDGET)),
            (3, "status", Skip),
        ],
    ),
    (
        "policy/v1",
        "Eviction",
        &[
            (1, "metadata", META),
            (2, "deleteOptions", Type::Message(DELETE_OPTIONS)),
        ],
    ),
    ("v1", "DeleteOptions", DELETE_OPTIONS),
    ("meta.k8s.io/v1", "DeleteOptions", DELETE_OPTIONS),
    ("policy/v1", "DeleteOptions", DELETE_OPTIONS),
    ("apps/v1", "DeleteOptions", DELETE_OPTIONS),
    ("rbac.authorization.k8s.io/v1", "Role", ROLE),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", ROLE),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", BINDING),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        BINDING,
    ),
];

const META: Type = Type::Message(&[
    (1, "name", Text),
    (2, "generateName", Text),
    (3, "namespace", Text),
    (4, "selfLink", Text),
    (5, "uid", Text),
    (6, "resourceVersion", Text),
    (7, "generation", Number),
    (8, "creationTimestamp", Time),
    (9, "deletionTimestamp", Time),
    (10, "deletionGracePeriodSeconds", Set),
    (11, "labels", TextMap),
    (12, "annotations", TextMap),
    (13, "ownerReferences", Messages(OWNER)),
    (14, "finalizers", Texts),
    (17, "managedFields", Skip),
]);

const OWNER: Message = &[
    (1, "kind", Text),
    (3, "name", Text),
    (4, "uid", Text),
    (5, "apiVersion", Text),
    (6, "controller", SetFlag),
    (7, "blockOwnerDeletion", SetFlag),
];

const ACCESS_REVIEW: Message = &[
    (1, "metadata", META),
    (
        2,
        "spec",
        Type::Message(&[
            (
                1,
                "resourceAttributes",
                Type::Message(&[
                    (1, "namespace", Text),
                    (2, "verb", Text),
                    (3, "group", Text),
                    (4, "version", Text),
                    (5, "resource", Text),
                    (6, "subresource", Text),
                    (7, "name", Text),
                ]),
            ),
            (
                2,
                "nonResourceAttributes",
                Type::Message(&[(1, "path", Text), (2, "verb", Text)]),
            ),
        ]),
    ),
    (3, "status", Skip),
];

const RULES_REVIEW: Message = &[
    (1, "metadata", META),
    (2, "spec", Type::Message(&[(1, "namespace", Text)])),
    (3, "status", Skip),
];

const CONFIG_MAP: Message = &[
    (1, "metadata", META),
    (2, "data", TextMap),
    (3, "binaryData", BytesMap),
    (4, "immutable", SetFlag),
];

const SECRET: Message = &[
    (1, "metadata", META),
    (2, "data", BytesMap),
    (3, "type", Text),
    (4, "stringData", TextMap),
    (5, "immutable", SetFlag),
];

const SERVICE_ACCOUNT: Message = &[
    (1, "metadata", META),
    (
        2,
        "secrets",
        Messages(&[(1, "kind", Text), (2, "namespace", Text), (3, "name", Text)]),
    ),
    (3, "imagePullSecrets", Messages(&[(1, "name", Text)])),
    (4, "automountServiceAccountToken", SetFlag),
];

const SERVICE: Message = &[
    (
        1,
        "ports",
        Messages(&[
            (1, "name", Text),
            (2, "protocol", Text),
            (3, "port", Number),
            (4, "targetPort", IntOrString),
            (5, "nodePort", Number),
            (6, "appProtocol", Text),
        ]),
    ),
    (2, "selector", TextMap),
    (3, "clusterIP", Text),
    (4, "type", Text),
    (5, "externalIPs", Texts),
    (7, "sessionAffinity", Text),
    (10, "externalName", Text),
    (11, "externalTrafficPolicy", Text),
    (13, "publishNotReadyAddresses", Flag),
    (17, "ipFamilyPolicy", Text),
    (18, "clusterIPs", Texts),
    (19, "ipFamilies", Texts),
    (22, "internalTrafficPolicy", Text),
];

const SELECTOR: Type = Type::Message(&[
    (1, "matchLabels", TextMap),
    (
        2,
        "matchExpressions",
        Messages(&[
            (1, "key", Text),
            (2, "operator", Text),
            (3, "values", Texts),
        ]),
    ),
]);

const DEPLOYMENT: Message = &[
    (1, "replicas", Set),
    (2, "selector", SELECTOR),
    (
        3,
        "template",
        Type::Message(&[(1, "metadata", META), (2, "spec", Type::Message(POD))]),
    ),
    (5, "minReadySeconds", Number),
    (6, "revisionHistoryLimit", Set),
    (7, "paused", Flag),
    (9, "progressDeadlineSeconds", Set),
];

const POD: Message = &[
    (2, "containers", Messages(CONTAINER)),
    (3, "restartPolicy", Text),
    (4, "terminationGracePeriodSeconds", Set),
    (6, "dnsPolicy", Text),
    (7, "nodeSelector", TextMap),
    (8, "serviceAccountName", Text),
    (9, "serviceAccount", Text),
    (10, "nodeName", Text),
    (20, "initContainers", Messages(CONTAINER)),
];

const CONTAINER: Message = &[
    (1, "name", Text),
    (2, "image", Text),
    (3, "command", Texts),
    (4, "args", Texts),
    (5, "workingDir", Text),
    (
        6,
        "ports",
        Messages(&[
            (1, "name", Text),
            (2, "hostPort", Number),
            (3, "containerPort", Number),
            (4, "protocol", Text),
            (5, "hostIP", Text),
        ]),
    ),
    (7, "env", Messages(&[(1, "name", Text), (2, "value", Text)])),
    (
        8,
        "resources",
        Type::Message(&[(1, "limits", QuantityMap), (2, "requests", QuantityMap)]),
    ),
    (13, "terminationMessagePath", Text),
    (14, "imagePullPolicy", Text),
    (16, "stdin", Flag),
    (17, "stdinOnce", Flag),
    (18, "tty", Flag),
    (20, "terminationMessagePolicy", Text),
];

const BUDGET: Message = &[
    (1, "minAvailable", IntOrString),
    (2, "selector", SELECTOR),
    (3, "maxUnavailable", IntOrString),
    (4, "unhealthyPodEvictionPolicy", Text),
];

const DELETE_OPTIONS: Message = &[
    (1, "gracePeriodSeconds", Set),
    (
        2,
        "preconditions",
        Type::Message(&[(1, "uid", Text), (2, "resourceVersion", Text)]),
    ),
    (3, "orphanDependents", SetFlag),
    (4, "propagationPolicy", Text),
    (5, "dryRun", Texts),
];

const ROLE: Message = &[
    (1, "metadata", META),
    (
        2,
        "rules",
        Messages(&[
            (1, "verbs", Texts),
            (2, "apiGroups", Texts),
            (3, "resources", Texts),
            (4, "resourceNames", Texts),
            (5, "nonResourceURLs", Texts),
        ]),
    ),
    (3, "aggregationRule", Skip),
];

const BINDING: Message = &[
    (1, "metadata", META),
    (
        2,
        "subjects",
        Messages(&[
            (1, "kind", Text),
            (2, "apiGroup", Text),
            (3, "name", Text),
            (4, "namespace", Text),
        ]),
    ),
    (
        3,
        "roleRef",
        Type::Message(&[(1, "apiGroup", Text), (2, "kind", Text), (3, "name", Text)]),
    ),
];
