# Discovery, get, list.

rec version 'version' GET /version
rec discovery-api 'legacy discovery: core versions' GET /api
rec discovery-apis 'legacy discovery: groups' GET /apis
rec discovery-core 'legacy discovery: resources of core/v1' GET /api/v1
rec discovery-dragonfly 'legacy discovery: resources of a CRD; subresource status, no short names' GET /apis/dragonflydb.io/v1alpha1
rec discovery-aggregated-core 'aggregated discovery of core, as kubectl asks first' GET /api \
  -H 'Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
rec discovery-aggregated-no 'a form of discovery the server does not know: the next one accepted is given' GET /api \
  -H 'Accept: application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList,application/json'

rec get-dragonfly 'get: an instance' GET $DF
rec get-crd-missing 'get: no such CustomResourceDefinition' GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions/nothings.example.org
KEEP_MANAGED=true
rec get-pod-managed 'get: a pod with its managed fields; who wrote what, status apart' GET $PODS/dragonfly-1
KEEP_MANAGED=false
rec get-missing '404: object' GET $PODS/dragonfly-9
rec get-missing-dragonfly '404: object of a CRD' GET $DFS/nothing
rec get-missing-kind '404: group and version that nobody serves; not a Status' GET /apis/example.org/v1/things
rec get-missing-resource '404: resource unknown in a known version' GET /api/v1/things
WHO=wrong-token
rec unauthorized '401: a token nobody has' GET $PODS
WHO=nobody
rec anonymous '403: without credentials' GET $PODS
WHO=rig-limited
rec forbidden-list-cluster '403: list over all namespaces' GET '/api/v1/pods'
rec forbidden-list-namespace '403: list in another namespace' GET $CACHE
rec forbidden-get '403: get one object' GET /api/v1/namespaces/kube-system
rec forbidden-crd '403: the CRD' GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions/dragonflies.dragonflydb.io
rec forbidden-watch '403: watch; a Status, not an event' GET '/apis/dragonflydb.io/v1alpha1/dragonflies?watch=true&timeoutSeconds=2'
rec forbidden-patch '403: patch' PATCH $DF "${MERGE[@]}" -d '{"metadata":{"labels":{"a":"b"}}}'
rec forbidden-subresource '403: a subresource' GET $PODS/dragonfly-0/log
WHO=rig-admin
rec not-acceptable '406' GET $PODS/dragonfly-0 -H 'Accept: text/html'
rec method-not-allowed '405' PUT $PODS "${JSON[@]}" -d '{}'

rec list-limit 'list: first page; how many remain' GET "$PODS?limit=2"
token=$(call GET "$PODS?limit=2" | jq -r .metadata.continue)
rec list-continue 'list: last page; same version, no token, nothing remains' GET "$PODS?limit=2&continue=$token"
rec list-continue-garbage '400: not a token' GET "$PODS?limit=2&continue=xyz"
rec list-continue-with-version '400: a token and a version' GET "$PODS?limit=2&resourceVersion=1&continue=$token"
rec list-limit-selected 'list: a page under a selector does not tell how many remain' GET "$PODS?limit=1&labelSelector=app%3Ddragonfly"
rec list-limit-dragonflies 'list: page over all namespaces, CRD' GET '/apis/dragonflydb.io/v1alpha1/dragonflies?limit=1'
rec list-empty 'list: nothing there' GET /api/v1/namespaces/default/pods
rec list-namespace-missing 'list: in a namespace that does not exist' GET /api/v1/namespaces/nowhere/pods
rec list-version-0 'list: from the cache; limit is not obeyed' GET "$CACHE?limit=1&resourceVersion=0"
rec list-version-future '504: a version that is not yet; after 3 s' GET "$PODS?resourceVersion=99999999&resourceVersionMatch=NotOlderThan"
rec list-label-in 'list: label selector with in' GET "$CACHE?labelSelector=role%20in%20(master,replica),app%3Dcache&limit=1"
rec list-label-not-exists 'list: label selector, absent label' GET "$PODS?labelSelector=%21role"
rec list-label-garbage '400: label selector' GET "$PODS?labelSelector=a%3D%3D%3Db"
rec list-field-name 'list: field selector by name' GET "$CACHE?fieldSelector=metadata.name%3Dcache-1"
rec list-field-phase 'list: field selector of pods' GET "$CACHE?fieldSelector=status.phase%21%3DRunning"
rec list-field-node 'list: field selector of pods by node' GET "$CACHE?fieldSelector=spec.nodeName%3Dnode-1"
rec list-field-events 'list: events of one object' GET "/api/v1/namespaces/harbor/events?fieldSelector=involvedObject.kind%3DDragonfly,involvedObject.name%3Dcache"
rec list-field-unsupported '400: field the kind cannot select by' GET "$PODS?fieldSelector=spec.hostname%3Dx"
rec list-field-unsupported-crd '400: field a CRD cannot select by' GET "$DFS?fieldSelector=spec.replicas%3D3"
rec list-events-v1 'list: the same events as events.k8s.io/v1' GET '/apis/events.k8s.io/v1/namespaces/harbor/events?limit=1'
rec get-node-gone 'logs of a pod whose node does not exist' GET "$PODS/dragonfly-0/log?container=dragonfly&tailLines=1"

rec table-pods 'Table: pods' GET "$CACHE" "${TABLE[@]}"
rec table-pods-bare 'Table: without objects' GET "$CACHE?includeObject=None" "${TABLE[@]}"
rec table-pod 'Table: of one pod' GET "$CACHE/cache-0?includeObject=None" "${TABLE[@]}"
rec table-pods-page 'Table: page' GET "$PODS?limit=2&includeObject=None" "${TABLE[@]}"
rec table-dragonflies "Table: columns are the CRD's, and there is no age" GET '/apis/dragonflydb.io/v1alpha1/dragonflies' "${TABLE[@]}"
rec table-statefulsets 'Table: StatefulSets' GET '/apis/apps/v1/statefulsets?includeObject=None' "${TABLE[@]}"
rec table-services 'Table: Services' GET '/api/v1/namespaces/harbor/services?includeObject=None' "${TABLE[@]}"
rec table-endpointslices 'Table: EndpointSlices' GET '/apis/discovery.k8s.io/v1/namespaces/harbor/endpointslices?includeObject=None' "${TABLE[@]}"
rec table-pvcs 'Table: claims' GET '/api/v1/persistentvolumeclaims?includeObject=None' "${TABLE[@]}"
rec table-pdbs 'Table: PodDisruptionBudgets' GET '/apis/policy/v1/poddisruptionbudgets?includeObject=None' "${TABLE[@]}"
rec table-networkpolicies 'Table: NetworkPolicies' GET '/apis/networking.k8s.io/v1/networkpolicies?includeObject=None' "${TABLE[@]}"
rec table-events 'Table: events' GET '/api/v1/namespaces/harbor/events?includeObject=None&limit=2' "${TABLE[@]}"
rec table-deployments 'Table: Deployments' GET '/apis/apps/v1/deployments?includeObject=None' "${TABLE[@]}"
rec table-leases 'Table: Leases' GET '/apis/coordination.k8s.io/v1/namespaces/dragonfly-operator-system/leases?includeObject=None' "${TABLE[@]}"
rec table-namespaces 'Table: namespaces' GET '/api/v1/namespaces?includeObject=None&limit=2' "${TABLE[@]}"
rec table-crds 'Table: CRDs' GET '/apis/apiextensions.k8s.io/v1/customresourcedefinitions?includeObject=None' "${TABLE[@]}"
rec partial-list 'metadata only: list' GET "$CACHE" "${PARTIAL_LIST[@]}"
rec partial-one 'metadata only: one object' GET $DF "${PARTIAL[@]}"
