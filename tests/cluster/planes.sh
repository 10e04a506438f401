# What `full` knows of its two control planes. Sourced after rig.sh, never run.
#
# All of a plane's programs run in one network namespace, held open by a process of ours, the anchor: with it and them
# the namespace goes too. Inside, a whole range is local to `lo`, so that any process may take any address of a node, a
# pod or a Service without adding it first. STATE is the folder of a plane here, RIG that of the whole.

PLANES=(infra apps)
ALL_ADDRESSES=10.40.0.0/13
OPERATOR_NS=dragonfly-operator-system

# The addresses of a plane: everything about it lies in four ranges that follow each other.
plan() { # PLANE
  local second
  case $1 in
    infra) second=40 ;;
    apps) second=44 ;;
    *) die "no plane $1; there are: ${PLANES[*]}" ;;
  esac
  PLANE=$1
  STATE=$RIG/$1
  NODE_RANGE=10.$second.0.0/24
  POD_RANGE=10.$((second + 1)).0.0/16
  SERVICE_RANGE=10.$((second + 2)).0.0/16
  FIRST_SERVICE=10.$((second + 2)).0.1 # `kubernetes.default`: the first of the range, as Kubernetes has it
  ADDRESS=10.$((second + 3)).0.1       # of its API server, etcd and controllers
}
on() { (plan "$1"; shift; "$@"); } # PLANE COMMAND...

# --- the namespace --------------------------------------------------------------------------------------------------

start_anchor() {
  launch anchor unshare --net -- sh -c \
    'ip link set lo up && ip route add local "$1" dev lo && exec tail -n 0 -f "$2"' anchor "$ALL_ADDRESSES" "$STATE/$RIG_MARK"
  wait_for 10 anchor namespace_is_there || die "no network namespace: $(tail -n 1 "$STATE/anchor.log")"
}
namespace() { readlink "/proc/$(cat "$RIG/anchor.pid")/ns/net"; }
namespace_is_there() {
  [ "$(namespace)" != "$(readlink /proc/self/ns/net)" ] && ip_inside route show table local | grep -q "$ALL_ADDRESSES"
}
way_in() { printf -- '--net=/proc/%s/ns/net\n' "$(cat "$RIG/anchor.pid")"; }
ip_inside() { nsenter "$(way_in)" ip "$@"; }
launch_inside() { local name=$1; shift; launch "$name" nsenter "$(way_in)" -- "$@"; } # NAME PROGRAM ARGUMENTS...
listens() { nsenter "$(way_in)" bash -c "exec 3<>/dev/tcp/$ADDRESS/$1"; } # PORT

last_words() { # NAME
  say "$1 of $PLANE does not come up; its last words:"
  tail -n 5 "$STATE/$1.log" >&2
  return 1
}

# --- the programs of a plane ----------------------------------------------------------------------------------------

start_plane_etcd() {
  launch_inside etcd "$RIG/assets/etcd" --name rig --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls "http://$ADDRESS:2379" --advertise-client-urls "http://$ADDRESS:2379" \
    --listen-peer-urls "http://$ADDRESS:2380" --initial-advertise-peer-urls "http://$ADDRESS:2380" \
    --initial-cluster "rig=http://$ADDRESS:2380"
  wait_for 30 etcd listens 2379 || last_words etcd
}

start_plane_apiserver() {
  local pki=$STATE/pki
  # shellcheck disable=SC2046 # the flags are words
  launch_inside kube-apiserver "$RIG/assets/kube-apiserver" \
    --bind-address "$ADDRESS" --secure-port 6443 --advertise-address "$ADDRESS" \
    --service-cluster-ip-range "$SERVICE_RANGE" --etcd-servers "http://$ADDRESS:2379" \
    --tls-cert-file "$pki/serving.crt" --tls-private-key-file "$pki/serving.key" \
    --client-ca-file "$pki/ca.crt" --token-auth-file "$pki/tokens.csv" --authorization-mode Node,RBAC \
    --enable-admission-plugins NodeRestriction --allow-privileged \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$pki/accounts.key" --service-account-signing-key-file "$pki/accounts.key" \
    --kubelet-client-certificate "$pki/kubelet-client.crt" --kubelet-client-key "$pki/kubelet-client.key" \
    --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP \
    --audit-policy-file "$RIG/audit-policy.yaml" --audit-log-path "$STATE/audit.log" --audit-log-maxsize 500 \
    --audit-log-maxbackup 3 --shutdown-delay-duration 0s $(cat "$RIG/kube-apiserver.flags")
  wait_for 120 kube-apiserver plane_kubectl get --raw /readyz --request-timeout 5s || last_words kube-apiserver
}

# One of each per plane, so that nobody waits for a leader to expire after a kill.
start_plane_controllers() {
  local pki=$STATE/pki
  launch_inside kube-controller-manager "$RIG/assets/kube-controller-manager" --kubeconfig "$STATE/kube-controller-manager.kubeconfig" \
    --bind-address "$ADDRESS" --leader-elect=false --use-service-account-credentials --kube-api-qps 200 --kube-api-burst 400 \
    --service-account-private-key-file "$pki/accounts.key" --root-ca-file "$pki/ca.crt" \
    --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key"
  wait_for 60 kube-controller-manager listens 10257 || last_words kube-controller-manager
}
start_plane_scheduler() {
  launch_inside kube-scheduler "$RIG/assets/kube-scheduler" --kubeconfig "$STATE/kube-scheduler.kubeconfig" \
    --bind-address "$ADDRESS" --leader-elect=false
  wait_for 60 kube-scheduler listens 10259 || last_words kube-scheduler
}

# From 127.0.0.1 of the machine to the API server inside: a Unix socket is the same file on both sides. Its path is
# given relative to the folder, for the system allows it few characters; the log's tells whose process it is.
start_plane_relay() {
  cd "$STATE"
  rm -f api.sock
  launch_inside relay-inside socat -lf "$STATE/relay-inside.log" UNIX-LISTEN:api.sock,fork,mode=600,backlog=512 "TCP:$ADDRESS:6443,nodelay"
  launch relay socat -lf "$STATE/relay.log" \
    "TCP-LISTEN:$(cat relay.port),bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=512" UNIX-CONNECT:api.sock
  wait_for 5 relay-inside test -S api.sock || return 1
  # Somebody else may answer on that port, and ours be about to end for it.
  wait_for 5 relay bash -c "exec 3<>/dev/tcp/127.0.0.1/$(cat relay.port)" && sleep 0.2 && alive relay
}
end_plane_relay() { end relay "$@"; end relay-inside "$@"; } # [SIGNAL]

start_plane_nodes() {
  local pki=$STATE/pki simulated=()
  if [ "$PLANE" = infra ] && [ "$(cat "$RIG/operator")" = simulated ]; then simulated=(--operator); fi
  launch_inside nodes "$(cat "$RIG/darner")" lab node --kubeconfig "$RIG/kubeconfig.inside" --context "$PLANE" \
    --nodes "$(cat "$RIG/nodes")" --haste "$(cat "$RIG/haste")" --prefix "$PLANE-node" --control "$STATE/nodes.control" --node-range "$NODE_RANGE" --pod-range "$POD_RANGE" --service-range "$SERVICE_RANGE" \
    --kubelet-cert "$pki/kubelet.crt" --kubelet-key "$pki/kubelet.key" --kubelet-client-ca "$pki/ca.crt" \
    ${simulated[@]+"${simulated[@]}"}
  wait_for 60 nodes nodes_are_ready || last_words nodes
}
nodes_are_ready() {
  [ "$(plane_kubectl get nodes --no-headers --request-timeout 5s | awk '$2 == "Ready"' | wc -l)" -eq "$(cat "$RIG/nodes")" ]
}

# --- who may what ---------------------------------------------------------------------------------------------------

plane_pki() {
  local client='extendedKeyUsage=clientAuth\n' addresses='' i
  pki=$STATE/pki
  mkdir -p "$pki"
  new_ca "darner-rig-$PLANE"
  new_accounts_key
  signed serving /CN=kube-apiserver "$(printf 'extendedKeyUsage=serverAuth\nsubjectAltName=%s' \
    "IP:127.0.0.1,IP:$ADDRESS,IP:$FIRST_SERVICE,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local")\n"
  # One certificate for all nodes there can be.
  for ((i = 1; i < 255; i++)); do addresses+=${addresses:+,}IP:${NODE_RANGE%.*}.$i; done
  signed kubelet /O=system:nodes/CN=system:node:rig "extendedKeyUsage=serverAuth\nsubjectAltName=$addresses\n"
  signed kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client "$client"
  signed admin "/O=system:masters/CN=rig-admin" "$client"
  signed kube-controller-manager /CN=system:kube-controller-manager "$client"
  signed kube-scheduler /CN=system:kube-scheduler "$client"
  openssl rand -hex 16 >"$pki/token"
  printf '%s,rig-limited,rig-limited\n' "$(cat "$pki/token")" >"$pki/tokens.csv"
  local who
  for who in kube-controller-manager kube-scheduler; do
    kubeconfig "https://$ADDRESS:6443" "$who" "" "$PLANE" >"$STATE/$who.kubeconfig"
  done
}

# A kubeconfig with a context for each of these planes. `SERVER` is a URL, or `relay`, or `inside`; the user is one who
# has a certificate, or `limited`, who has a token.
kubeconfig() { # SERVER USER SUFFIX-OF-THE-CONTEXTS PLANE...
  local server=$1 user=$2 suffix=$3 plane
  shift 3
  printf 'apiVersion: v1\nkind: Config\ncurrent-context: %s\n' "$1$suffix"
  printf 'clusters:\n'
  for plane in "$@"; do on "$plane" kubeconfig_cluster "$server"; done
  printf 'users:\n'
  for plane in "$@"; do on "$plane" kubeconfig_user "$user"; done
  printf 'contexts:\n'
  for plane in "$@"; do
    printf -- '- name: %s\n  context: {cluster: %s, user: %s' "$plane$suffix" "$plane" "$plane-$user"
    if [ "$user" = limited ]; then printf ', namespace: dragonfly-system'; fi
    printf '}\n'
  done
}
one_line() { openssl base64 -A -in "$1"; }
kubeconfig_cluster() { # SERVER
  local server=$1
  case $server in
    relay) server=https://127.0.0.1:$(cat "$STATE/relay.port") ;;
    inside) server=https://$ADDRESS:6443 ;;
  esac
  printf -- '- name: %s\n  cluster:\n    server: %s\n    certificate-authority-data: %s\n' "$PLANE" "$server" "$(one_line "$STATE/pki/ca.crt")"
}
kubeconfig_user() { # USER
  printf -- '- name: %s\n  user:\n' "$PLANE-$1"
  if [ "$1" = limited ]; then
    printf '    token: %s\n' "$(cat "$STATE/pki/token")"
  else
    printf '    client-certificate-data: %s\n    client-key-data: %s\n' "$(one_line "$STATE/pki/$1.crt")" "$(one_line "$STATE/pki/$1.key")"
  fi
}

plane_kubectl() {
  local program=$RIG/assets/kubectl
  [ -x "$program" ] || program=kubectl
  KUBECONFIG=$RIG/kubeconfig "$program" --context "$PLANE" --cache-dir "$STATE/kubectl-cache" "$@"
}

# --- one plane, from nothing ------------------------------------------------------------------------------------------

start_plane() { # VERSION of the operator, or none
  start_plane_etcd
  start_plane_apiserver
  start_plane_controllers
  start_plane_scheduler
  # The API server is ready before it has made its namespaces, and pods are refused until the controllers have made
  # the account they run as.
  wait_for 60 kube-controller-manager plane_kubectl -n default get serviceaccount default || last_words kube-controller-manager
  make -f "$RIG_HOME/objects/limited.yaml" -f "$RIG_HOME/objects/storage.yaml"
  if [ "$PLANE" = infra ] && [ "$1" != none ]; then install_operator "$1"; fi
}
# The files are known to be good: checking them here first would fetch the whole schema.
make() { plane_kubectl apply --server-side --validate=false "$@" >/dev/null; }

# Rights, CRD and Deployment as published, on infra; two replicas, so that leadership is real.
install_operator() { # VERSION
  local published
  published=$("$RIG_HOME/crd" "$1" --install 2>/dev/null) || published=$("$RIG_HOME/crd" v1.6.1 --install)
  make -f "$published"
  plane_kubectl -n "$OPERATOR_NS" scale deployment dragonfly-operator-controller-manager --replicas 2 >/dev/null
  plane_kubectl wait --for condition=Established --timeout 30s crd/dragonflies.dragonflydb.io >/dev/null 2>&1 ||
    wait_for 30 kube-apiserver plane_kubectl wait --for condition=Established --timeout 10s crd/dragonflies.dragonflydb.io
  printf '%s\n' "$published" >"$RIG/crd-source"
}

# Without this a plane that was killed half way would look like one that is up.
plane_is_up() {
  local name
  for name in etcd kube-apiserver kube-controller-manager kube-scheduler relay relay-inside; do alive "$name" || return 1; done
}

start_operator_pods() {
  launch operator-pods "$RIG_HOME/operator-pods" --state "$STATE/"
}
