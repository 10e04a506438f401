# Watch lists as later releases give them by default: the same server with the feature switched on.

printf '%s' --feature-gates=WatchList=true >"$STATE/kube-apiserver.flags"
"$RIG_HOME/apiserver" restart --state "$STATE"
SERVER="$SERVER, WatchList on"
# For a moment after a start, watches of a custom resource are refused. Only a list of it makes sure they are not.
until [ "$(call GET '/apis/dragonflydb.io/v1alpha1/dragonflies?limit=1&resourceVersion=0' -o /dev/null -w '%{http_code}')" = 200 ]; do sleep 0.1; done
rec watch-list 'sendInitialEvents: what there is as ADDED, then a bookmark with the annotation that says so' GET \
  "/apis/dragonflydb.io/v1alpha1/dragonflies?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=2"
rec watch-list-0 'sendInitialEvents from version 0' GET \
  "/apis/policy/v1/poddisruptionbudgets?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=0&allowWatchBookmarks=true&timeoutSeconds=2"
rec watch-list-no-bookmarks 'sendInitialEvents without bookmarks' GET \
  "/apis/policy/v1/poddisruptionbudgets?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=2"
rec watch-list-no-match '422: sendInitialEvents without resourceVersionMatch' GET \
  "/apis/policy/v1/poddisruptionbudgets?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=2"
