# Watches.

CM=/api/v1/namespaces/harbor/configmaps
map() { printf '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s","labels":{"tier":"%s"}},"data":{"n":"%s"}}' "$@"; }
now=$(call GET "$CM?limit=1" | jq -r .metadata.resourceVersion)

three_changes() {
  quietly POST $CM "${JSON[@]}" -d "$(map one a 1)"
  quietly PATCH $CM/one "${MERGE[@]}" -d '{"data":{"n":"2"}}'
  quietly DELETE $CM/one
}
watch watch-changes 'watch: made, changed, deleted, and a bookmark shortly before the end' \
  "$CM?watch=true&allowWatchBookmarks=true&timeoutSeconds=5&resourceVersion=$now" three_changes
watch watch-again 'watch: what happened since a version comes again, at once' \
  "$CM?watch=true&timeoutSeconds=1&resourceVersion=$now" nothing
in_and_out() {
  quietly POST $CM "${JSON[@]}" -d "$(map two b 1)"
  quietly PATCH $CM/two "${MERGE[@]}" -d '{"metadata":{"labels":{"tier":"a"}}}'
  quietly PATCH $CM/two "${MERGE[@]}" -d '{"data":{"n":"2"}}'
  quietly PATCH $CM/two "${MERGE[@]}" -d '{"metadata":{"labels":{"tier":"b"}}}'
  quietly DELETE $CM/two
}
now=$(call GET "$CM?limit=1" | jq -r .metadata.resourceVersion)
watch watch-selector 'watch under a selector: an object that begins to match is ADDED, one that ceases is DELETED in the form it last matched, with the new version' \
  "$CM?watch=true&timeoutSeconds=2&labelSelector=tier%3Da&resourceVersion=$now" in_and_out
quietly POST $CM "${JSON[@]}" -d "$(map three c 1)"
watch watch-from-0 'watch from 0: what there is comes as ADDED' "$CM?watch=true&timeoutSeconds=1&resourceVersion=0&labelSelector=tier%3Dc" nothing
watch watch-no-version 'watch without a version: the same' "$CM?watch=true&timeoutSeconds=1&labelSelector=tier%3Dc" nothing
watch watch-name 'watch of one object by name' "$HARBOR?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dcache" nothing
watch watch-empty 'watch in which nothing happens: 200 and an empty body' "$CM?watch=true&timeoutSeconds=1&labelSelector=tier%3Dnone" nothing
watch watch-partial 'watch of metadata only' "$HARBOR?watch=true&timeoutSeconds=1" nothing "${PARTIAL[@]}"
watch watch-table 'watch as Table: only the first event names the columns' "$CACHE?watch=true&timeoutSeconds=1&includeObject=None" nothing "${TABLE[@]}"
watch watch-dragonflies-bookmark 'watch of a CRD: a bookmark is of the kind, with nothing but a version' \
  "$HARBOR?watch=true&allowWatchBookmarks=true&timeoutSeconds=3&resourceVersion=$(call GET "$HARBOR?limit=1" | jq -r .metadata.resourceVersion)" nothing
rec watch-too-old 'watch from a version that is forgotten: 200, one ERROR event, end' GET "$CM?watch=true&timeoutSeconds=3&resourceVersion=1"
rec watch-future 'watch from a version that is not yet' GET "$CM?watch=true&timeoutSeconds=2&resourceVersion=99999999"
rec watch-garbage 'watch from something that is no version' GET "$CM?watch=true&timeoutSeconds=2&resourceVersion=abc"
rec watch-initial-events 'watch with sendInitialEvents, as this release answers by default' GET \
  "$HARBOR?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=2"
rec watch-initial-events-bare 'the same without resourceVersionMatch' GET \
  "$HARBOR?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=2"

# What is forgotten. Two pages of a list, and all versions are given up in between.
token=$(call GET "$PODS?limit=1" | jq -r .metadata.continue)
old=$(call GET "$PODS?limit=1" | jq -r .metadata.resourceVersion)
quietly PATCH $CM/three "${MERGE[@]}" -d '{"data":{"n":"3"}}'
"$RIG_HOME/apiserver" compact --state "$STATE"
rec list-continue-expired '410: the list cannot be continued as it was; the token given goes on in the present' GET "$PODS?limit=1&continue=$token"
rec list-exact-expired '410: a list exactly as it was' GET "$PODS?limit=1&resourceVersion=$old&resourceVersionMatch=Exact"
quietly DELETE $CM/three
"$RIG_HOME/apiserver" restart --state "$STATE"
rec watch-after-restart 'watch from a version that a restarted server has not seen' GET "$CM?watch=true&timeoutSeconds=3&resourceVersion=$old"
