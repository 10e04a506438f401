# What the rig's commands share. Sourced, never run.
#
# A rig is one etcd and one kube-apiserver on 127.0.0.1, and everything that belongs to it lies in one folder, its
# state. Nothing is kept outside that folder but the programs themselves, which are built once per version.

set -euo pipefail

RIG_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RIG_CACHE=${DARNER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/darner}/rig

# The one place for this file's name: `down` deletes a folder only if it carries this mark.
RIG_MARK=darner-rig

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# Where a rig lies when nobody says otherwise: one per user, so that `up` and `down` by hand need no argument.
default_state() { printf '%s/darner-rig-%s\n' "${TMPDIR:-/tmp}" "$(id -u)"; }

# Takes `--state DIR` out of the arguments; what is left is in REST.
parse_state() {
  STATE=$(default_state)
  REST=()
  while [ $# -gt 0 ]; do
    case $1 in
      --state) [ $# -gt 1 ] || die "--state wants a folder"; STATE=$2; shift 2 ;;
      --state=*) STATE=${1#--state=}; shift ;;
      *) REST+=("$1"); shift ;;
    esac
  done
  case $STATE in /*) ;; *) STATE=$PWD/$STATE ;; esac
}

need_rig() {
  [ -f "$STATE/$RIG_MARK" ] || die "no rig in $STATE; start one with tests/cluster/up --state $STATE"
  [ "$(cat "$STATE/$RIG_MARK")" != full ] || die "$STATE holds a rig with controllers; its commands are those of tests/cluster/full"
}

# The folder that holds the programs: the one the environment names, or what `build` makes.
assets() {
  if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
    local program
    for program in etcd kube-apiserver; do
      [ -x "$KUBEBUILDER_ASSETS/$program" ] ||
        die "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS holds no $program; unset it to have the programs built"
    done
    printf '%s\n' "$KUBEBUILDER_ASSETS"
  else
    "$RIG_HOME/build"
  fi
}

# Keys and certificates, all in the folder $pki.
new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$pki/$1.key" 2>/dev/null; }
new_ca() { # COMMON NAME
  new_key ca
  openssl req -x509 -new -key "$pki/ca.key" -subj "/CN=$1" -days 30 -sha256 -out "$pki/ca.crt" \
    -config <(printf '[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\n%s\n' \
      'keyUsage=critical,keyCertSign,cRLSign')
}
signed() { # NAME SUBJECT EXTENSIONS
  new_key "$1"
  openssl req -new -key "$pki/$1.key" -subj "$2" -out "$pki/$1.csr"
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -set_serial "0x$(openssl rand -hex 8)" \
    -days 30 -sha256 -extfile <(printf 'basicConstraints=critical,CA:FALSE\n%b' "$3") -out "$pki/$1.crt" 2>/dev/null
}
# The API server reads keys of accounts in the older form only.
new_accounts_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$pki/accounts.key"; }

# kubectl against this rig as its administrator. The program is the one beside the API server, or the machine's.
rig_kubectl() {
  local program=$STATE/assets/kubectl
  [ -x "$program" ] || program=kubectl
  KUBECONFIG=$STATE/kubeconfig "$program" --context rig --cache-dir "$STATE/kubectl-cache" "$@"
}

# A process is ours only if its command line names our state folder: process numbers are used again.
alive() { # NAME
  local pid
  pid=$(cat "$STATE/$1.pid" 2>/dev/null) || return 1
  case $(ps -o stat=,args= -p "$pid" 2>/dev/null) in
    # Ended, but for threads of it that are still ending: until they have, its sockets are open.
    Z*) [ "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -gt 1 ] ;;
    *"$STATE/"* | *"$STATE "*) return 0 ;;
    *) return 1 ;;
  esac
}

# Starts a program in a session of its own, holding none of our files: whoever reads our output must see it end.
launch() { # NAME PROGRAM ARGUMENTS...
  local name=$1
  shift
  local own_session=()
  if command -v setsid >/dev/null; then own_session=(setsid); fi
  ${own_session[@]+"${own_session[@]}"} "$@" >>"$STATE/$name.log" 2>&1 </dev/null 9>&- &
  local pid=$! look
  printf '%s\n' "$pid" >"$STATE/$name.pid"
  # For a moment it is still a copy of this script, and `alive` would not know it.
  for look in {1..50}; do
    if alive "$name" || ! kill -0 "$pid" 2>/dev/null; then break; fi
  done
}

send() { kill -s "$2" "$(cat "$STATE/$1.pid")" 2>/dev/null || true; } # NAME SIGNAL

# Ends a program and returns only when it is gone: first as asked, after ten seconds by force.
end() { # NAME [SIGNAL]
  local name=$1 signal=${2:-TERM} patience=100
  if alive "$name"; then
    send "$name" CONT
    send "$name" "$signal"
    while alive "$name"; do
      patience=$((patience - 1))
      if [ "$patience" -eq 0 ]; then send "$name" KILL; fi
      if [ "$patience" -lt -100 ]; then die "$name (process $(cat "$STATE/$name.pid")) does not end"; fi
      sleep 0.1
    done
  fi
  rm -f "$STATE/$name.pid"
}

# The processes started for the rig of this folder, however deep: `full` gives all of them its name. Not we ourselves,
# nor who called us, nor whom we called.
marked() {
  local file pid one us=' '
  [ -d /proc/self ] || return 0
  one=$$
  while [ "$one" -gt 1 ]; do us+="$one " && parent_of "$one"; done
  while IFS= read -r file; do
    pid=${file#/proc/} pid=${pid%/environ} one=$pid
    case $us in *" $pid "*) continue ;; esac
    while [ "$one" -gt 1 ] && [ "$one" -ne $$ ]; do parent_of "$one"; done
    if [ "$one" -eq 1 ]; then printf '%s\n' "$pid"; fi
  done < <(grep -lszxF "DARNER_RIG=$STATE" /proc/[0-9]*/environ)
}
parent_of() { # PROCESS; the answer is in `one`: 0 if there is no such process
  local line
  IFS= read -r line 2>/dev/null <"/proc/$1/stat" || line=') X 0'
  line=${line##*) ? }
  one=${line%% *}
}

# Ends all of them, and returns only when they are gone. What they leave is thrown away: there is nothing to wait for
# but that they tell each other.
end_marked() {
  local patience=10 signal=TERM
  # shellcheck disable=SC2046 # numbers
  while [ -n "$(marked)" ]; do
    if [ "$patience" -eq 0 ]; then signal=KILL; fi
    if [ "$patience" -lt -100 ]; then die "these processes do not end:" $(marked); fi
    if [ "$patience" -eq 10 ] || [ "$patience" -le 0 ]; then
      kill -s "$signal" $(marked) 2>/dev/null || true
      kill -s CONT $(marked) 2>/dev/null || true
    fi
    patience=$((patience - 1))
    sleep 0.1
  done
}

# Waits until a command succeeds. Gives up early when the program it waits for has ended.
wait_for() { # SECONDS NAME COMMAND...
  local deadline=$((SECONDS + $1)) name=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    alive "$name" || return 1
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# A port nobody listens on, below the range from which the system gives outgoing connections theirs: the API server
# must get the same one again after it was stopped.
pick_port() {
  local port
  while :; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  printf '%s\n' "$port"
}

start_etcd() {
  local program=$STATE/assets/etcd client peer attempt
  for attempt in 1 2 3 4 5; do
    client=$(pick_port)
    peer=$(pick_port)
    printf '%s\n' "$client" >"$STATE/etcd.port"
    # Not synced to the disk: the rig's objects live no longer than the rig.
    launch etcd "$program" --name rig --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level warn \
      --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
      --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
      --initial-cluster "rig=http://127.0.0.1:$peer"
    if wait_for 30 etcd bash -c "exec 3<>/dev/tcp/127.0.0.1/$client" && sleep 0.2 && alive etcd; then return 0; fi
    end etcd KILL
    rm -rf "$STATE/etcd"
    grep -q 'address already in use' "$STATE/etcd.log" || break
    mv "$STATE/etcd.log" "$STATE/etcd.$attempt.log"
  done
  say "etcd does not start; its last words:"
  tail -n 5 "$STATE/etcd.log" >&2
  return 1
}

# Makes etcd forget all old versions.
compact() { # URL [WORDS that reach it]
  local etcd=$1 revision
  shift
  # etcd's own HTTP gateway; an empty range still tells the revision. Keys are base64 there: AA== is one zero byte.
  revision=$("$@" curl -sSf "$etcd/v3/kv/range" -d '{"key":"AA=="}' | sed -n 's/.*"revision":"\([0-9]*\)".*/\1/p')
  [ -n "$revision" ] || die "etcd does not tell its revision"
  "$@" curl -sSf "$etcd/v3/kv/compaction" -d "{\"revision\":\"$revision\",\"physical\":true}" >/dev/null
}

# Starts the API server on the port kept in the state. Fails when the port is taken meanwhile.
start_apiserver() {
  local pki=$STATE/pki port
  port=$(cat "$STATE/kube-apiserver.port")
  # Without the ServiceAccount plugin pods may be made though no controller makes service accounts. The addresses
  # are from a range for documentation: nothing is ever routed there, and no network card need exist.
  launch kube-apiserver "$STATE/assets/kube-apiserver" \
    --bind-address 127.0.0.1 --secure-port "$port" \
    --advertise-address 192.0.2.1 --endpoint-reconciler-type none --service-cluster-ip-range 10.96.0.0/16 \
    --etcd-servers "http://127.0.0.1:$(cat "$STATE/etcd.port")" \
    --tls-cert-file "$pki/serving.crt" --tls-private-key-file "$pki/serving.key" \
    --client-ca-file "$pki/ca.crt" --token-auth-file "$pki/tokens.csv" --authorization-mode RBAC \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$pki/accounts.key" --service-account-signing-key-file "$pki/accounts.key" \
    --disable-admission-plugins ServiceAccount --allow-privileged \
    --shutdown-delay-duration 0s $(cat "$STATE/kube-apiserver.flags")
  wait_for 120 kube-apiserver rig_kubectl get --raw /readyz --request-timeout 5s
}
