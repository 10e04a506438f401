# What an API server that was just started tells those who come before it is ready. Each answer stands for a moment
# only, so it is restarted until all three were met.

printf '' >"$STATE/kube-apiserver.flags"
SERVER="${SERVER%,*}, starting"
declare -A seen=()
meet() { # STATUS NAME ABOUT PATH
  local status
  : >"$WORK/body"
  status=$(call GET "$4" -D "$WORK/headers" -o "$WORK/body" -w '%{http_code}' 2>/dev/null) || return 0
  if [ "$status" = "$1" ] && [ -z "${seen[$2]:-}" ]; then
    seen[$2]=yes
    keep "$2" "$3" GET "$4" "$status"
  fi
}
for ((round = 0; round < 12 && ${#seen[@]} < 3; round++)); do
  "$RIG_HOME/apiserver" restart --state "$STATE" &
  restart=$!
  while kill -0 "$restart" 2>/dev/null; do
    WHO=rig-limited
    meet 403 starting-forbidden '403 to one who has the right: roles are not loaded yet' "$DFS?limit=1"
    WHO=rig-admin
    meet 503 starting-unavailable '503: the API of the CRD is not there yet; it is not a 404' "$DFS?limit=1"
    meet 429 starting-initializing '429: a watch before the cache of the CRD is filled' "$DFS?watch=true&timeoutSeconds=1&resourceVersion=0"
  done
  wait "$restart"
done
[ "${#seen[@]}" -eq 3 ] || say "met only ${!seen[*]} of the answers of a starting server"
