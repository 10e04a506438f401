# Create, replace, patch, apply, delete, dry run.

made() { # NAME: a pod that may be thrown away
  jq -nc --arg n "$1" '{apiVersion: "v1", kind: "Pod", metadata: {name: $n, labels: {app: "spare"}},
    spec: {nodeName: "node-0", containers: [{name: "dragonfly", image: "dragonfly:v1.39.0"}]}}'
}
instance() { jq -nc --arg n "$1" --argjson r "$2" '{apiVersion: "dragonflydb.io/v1alpha1", kind: "Dragonfly", metadata: {name: $n}, spec: {replicas: $r}}'; }

rec create-dragonfly 'create: 201' POST $HARBOR "${JSON[@]}" -d "$(instance spare 2)"
rec create-exists '409: name taken' POST $HARBOR "${JSON[@]}" -d "$(instance spare 2)"
rec create-dry-run 'create, dry run: 201, nothing kept' POST "$HARBOR?dryRun=All" "${JSON[@]}" -d "$(instance ghost 2)"
rec create-dry-run-gone 'which a get confirms' GET $HARBOR/ghost
rec dry-run-garbage 'dry run of an unknown kind' POST "$HARBOR?dryRun=Some" "${JSON[@]}" -d "$(instance ghost 2)"
rec create-generate-name 'create: name made by the server' POST /api/v1/namespaces/harbor/configmaps "${JSON[@]}" \
  -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"made-"}}'
rec create-no-namespace '404: namespace missing' POST /api/v1/namespaces/nowhere/pods "${JSON[@]}" -d "$(made a)"
rec create-wrong-namespace '400: namespace of the body is another' POST $CACHE "${JSON[@]}" -d "$(made a | jq -c '.metadata.namespace = "default"')"
rec create-invalid-crd "422: against the CRD's schema" POST $HARBOR "${JSON[@]}" -d "$(instance bad '"two"')"
rec create-invalid-pod '422: several causes' POST $CACHE "${JSON[@]}" -d '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"Bad_Name"},"spec":{"containers":[{"name":"a"}]}}'
rec create-not-json '400: body is not JSON' POST $HARBOR "${JSON[@]}" -d '{"apiVersion": '
rec create-wrong-kind '400: body of another kind' POST $HARBOR "${JSON[@]}" -d "$(made a)"
rec create-media-type '415: body of an unknown form' POST $HARBOR -H 'Content-Type: text/plain' -d 'x'
rec create-unknown-field-warn 'unknown field, by default: kept out, and a Warning header' POST "$HARBOR?fieldValidation=Warn&dryRun=All" "${JSON[@]}" \
  -d "$(instance ghost 2 | jq -c '.spec.alien = 1')"
rec create-unknown-field-strict '400: unknown field, as kubectl asks' POST "$HARBOR?fieldValidation=Strict&dryRun=All" "${JSON[@]}" \
  -d "$(instance ghost 2 | jq -c '.spec.alien = 1')"

whole=$(call GET $HARBOR/spare | jq -c 'del(.metadata.managedFields)')
rec put-ok 'replace: 200; generation grows with spec' PUT $HARBOR/spare "${JSON[@]}" -d "$(jq -c '.spec.replicas = 3' <<<"$whole")"
rec put-conflict '409: version is old' PUT $HARBOR/spare "${JSON[@]}" -d "$(jq -c '.spec.replicas = 4' <<<"$whole")"
rec put-no-version '422: a CRD wants the version' PUT $HARBOR/spare "${JSON[@]}" -d "$(jq -c 'del(.metadata.resourceVersion)' <<<"$whole")"
rec put-wrong-uid '409: uid is another' PUT $HARBOR/spare "${JSON[@]}" \
  -d "$(call GET $HARBOR/spare | jq -c 'del(.metadata.managedFields) | .metadata.uid = "00000000-0000-4000-8000-0000000000ff"')"
rec put-name '400: name of the body is another' PUT $HARBOR/spare "${JSON[@]}" -d "$(jq -c '.metadata.name = "other"' <<<"$whole")"
rec put-status 'replace status: spec in the body is not looked at' PUT $HARBOR/spare/status "${JSON[@]}" \
  -d "$(call GET $HARBOR/spare | jq -c 'del(.metadata.managedFields) | .status = {phase: "Ready"} | .spec.replicas = 9')"

rec patch-merge 'merge patch: null takes away' PATCH $HARBOR/spare "${MERGE[@]}" -d '{"metadata":{"labels":{"a":"b"},"annotations":null},"spec":{"replicas":2}}'
rec patch-merge-nothing 'merge patch that changes nothing: same version' PATCH $HARBOR/spare "${MERGE[@]}" -d '{"spec":{"replicas":2}}'
rec patch-merge-old '409: merge patch with an old version' PATCH $HARBOR/spare "${MERGE[@]}" -d '{"metadata":{"resourceVersion":"1"},"spec":{"replicas":5}}'
rec patch-merge-invalid '422: result against the schema' PATCH $HARBOR/spare "${MERGE[@]}" -d '{"spec":{"replicas":"many"}}'
rec patch-merge-missing '404' PATCH $HARBOR/nothing "${MERGE[@]}" -d '{"spec":{"replicas":2}}'
rec patch-merge-dry 'merge patch, dry run' PATCH "$HARBOR/spare?dryRun=All" "${MERGE[@]}" -d '{"spec":{"replicas":7}}'
rec patch-status 'merge patch of status: labels and spec in it are not looked at' PATCH $HARBOR/spare/status "${MERGE[@]}" -d '{"metadata":{"labels":{"x":"y"}},"spec":{"replicas":8},"status":{"phase":"Configuring"}}'
rec patch-not-status 'merge patch of the object: status in it is not looked at' PATCH $HARBOR/spare "${MERGE[@]}" -d '{"status":{"phase":"Ready"}}'
rec patch-json 'JSON patch' PATCH $HARBOR/spare "${JSONPATCH[@]}" -d '[{"op":"test","path":"/spec/replicas","value":2},{"op":"replace","path":"/spec/replicas","value":3},{"op":"remove","path":"/metadata/labels/a"}]'
rec patch-json-test '422: JSON patch whose test fails' PATCH $HARBOR/spare "${JSONPATCH[@]}" -d '[{"op":"test","path":"/spec/replicas","value":9},{"op":"replace","path":"/spec/replicas","value":1}]'
rec patch-json-path '422: JSON patch, no such path' PATCH $HARBOR/spare "${JSONPATCH[@]}" -d '[{"op":"remove","path":"/metadata/labels/none"}]'
rec patch-json-garbage '400: JSON patch that is not one' PATCH $HARBOR/spare "${JSONPATCH[@]}" -d '{"op":"remove"}'
rec patch-strategic-crd '415: strategic merge patch of a CRD' PATCH $HARBOR/spare "${STRATEGIC[@]}" -d '{"spec":{"replicas":2}}'
rec patch-media-type '415: patch of an unknown form' PATCH $HARBOR/spare "${JSON[@]}" -d '{"spec":{"replicas":2}}'

quietly POST $CACHE "${JSON[@]}" -d "$(made spare-pod)"
rec patch-strategic 'strategic merge patch: containers are merged by name' PATCH $CACHE/spare-pod "${STRATEGIC[@]}" \
  -d '{"metadata":{"labels":{"role":"master","app":null}},"spec":{"containers":[{"name":"dragonfly","image":"dragonfly:v1.40.1"}]}}'
rec patch-strategic-status 'strategic merge patch of status: conditions are merged by type' PATCH $CACHE/cache-1/status "${STRATEGIC[@]}" \
  -d '{"status":{"conditions":[{"type":"Ready","status":"False","reason":"ContainersNotReady"}]}}'
rec patch-pod-immutable '422: what a pod cannot change' PATCH $CACHE/spare-pod "${MERGE[@]}" -d '{"spec":{"hostname":"other"}}'
rec patch-json-pod-label 'JSON patch of a label with a slash' PATCH $CACHE/spare-pod "${JSONPATCH[@]}" -d '[{"op":"add","path":"/metadata/annotations","value":{}},{"op":"add","path":"/metadata/annotations/operator.dragonflydb.io~1masterIP","value":"10.0.0.1"}]'

KEEP_MANAGED=true
rec apply-create 'apply: 201 when new' PATCH "/api/v1/namespaces/harbor/configmaps/applied?fieldManager=first" "${APPLY[@]}" -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"a":"1","b":"2"}}'
rec apply-remove 'apply: 200; what one manager leaves out goes' PATCH "/api/v1/namespaces/harbor/configmaps/applied?fieldManager=first" "${APPLY[@]}" -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"a":"1"}}'
KEEP_MANAGED=false
rec apply-conflict '409: field of another manager' PATCH "/api/v1/namespaces/harbor/configmaps/applied?fieldManager=second" "${APPLY[@]}" -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"a":"9"}}'
rec apply-force 'apply by force' PATCH "/api/v1/namespaces/harbor/configmaps/applied?fieldManager=second&force=true" "${APPLY[@]}" -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"a":"9"}}'
rec apply-no-manager 'apply without a manager' PATCH "/api/v1/namespaces/harbor/configmaps/applied" "${APPLY[@]}" -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"a":"9"}}'

OPTIONS='{"apiVersion":"v1","kind":"DeleteOptions"'
rec delete-wrong-uid '409: precondition' DELETE $CACHE/spare-pod "${JSON[@]}" -d "$OPTIONS,\"preconditions\":{\"uid\":\"00000000-0000-4000-8000-0000000000ff\"}}"
rec delete-wrong-version '409: precondition' DELETE $CACHE/spare-pod "${JSON[@]}" -d "$OPTIONS,\"preconditions\":{\"resourceVersion\":\"1\"}}"
rec delete-dry-run 'delete, dry run' DELETE "$CACHE/spare-pod?dryRun=All"
right=$(uid_of $CACHE/spare-pod)
rec delete-grace 'delete with the right uid: a pod on a node stays, terminating, until its kubelet says so' DELETE $CACHE/spare-pod "${JSON[@]}" -d "$OPTIONS,\"gracePeriodSeconds\":7,\"preconditions\":{\"uid\":\"$right\"}}"
rec delete-grace-again 'delete again: a shorter grace counts, a longer one does not' DELETE "$CACHE/spare-pod?gracePeriodSeconds=60"
rec delete-grace-0 'delete without grace: gone' DELETE "$CACHE/spare-pod?gracePeriodSeconds=0"
rec delete-missing '404' DELETE $CACHE/spare-pod
rec delete-dragonfly 'delete of a custom resource: a Status with its uid' DELETE $HARBOR/spare
rec delete-foreground 'delete in the foreground: stays with a finalizer' DELETE "$HARBOR/cache?propagationPolicy=Foreground"

rec evict-dry-run 'eviction, dry run: allowed by the budget' POST "$PODS/dragonfly-2/eviction?dryRun=All" "${JSON[@]}" \
  -d '{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"dragonfly-2"}}'
quietly PATCH /apis/policy/v1/namespaces/dragonfly-system/poddisruptionbudgets/dragonfly/status "${MERGE[@]}" -d '{"status":{"disruptionsAllowed":0,"currentHealthy":2}}'
rec evict-refused '429: eviction against the budget; DisruptionBudget among the causes' POST "$PODS/dragonfly-2/eviction?dryRun=All" "${JSON[@]}" \
  -d '{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"dragonfly-2"}}'
