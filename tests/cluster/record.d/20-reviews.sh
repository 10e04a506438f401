# Access reviews.

access() { # NAMESPACE GROUP RESOURCE VERB [SUBRESOURCE]
  jq -nc --arg n "$1" --arg g "$2" --arg r "$3" --arg v "$4" --arg s "${5:-}" '{apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview", spec: {resourceAttributes: ({group: $g, resource: $r, verb: $v}
      + (if $n == "" then {} else {namespace: $n} end) + (if $s == "" then {} else {subresource: $s} end))}}'
}
REVIEW=/apis/authorization.k8s.io/v1/selfsubjectaccessreviews
rec access-admin 'access review: yes, by group' POST $REVIEW "${JSON[@]}" -d "$(access '' '' pods list)"
WHO=rig-limited
rec access-yes 'access review: yes, by role' POST $REVIEW "${JSON[@]}" -d "$(access dragonfly-system '' pods create portforward)"
rec access-no 'access review: no; 201 and no reason' POST $REVIEW "${JSON[@]}" -d "$(access '' dragonflydb.io dragonflies list)"
rec access-no-namespace 'access review: no, in another namespace' POST $REVIEW "${JSON[@]}" -d "$(access harbor '' pods list)"
rec rules-review 'rules review: what one may do in a namespace' POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews \
  "${JSON[@]}" -d '{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectRulesReview","spec":{"namespace":"dragonfly-system"}}'
rec subject-review 'who am I' POST /apis/authentication.k8s.io/v1/selfsubjectreviews "${JSON[@]}" \
  -d '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
WHO=rig-admin
