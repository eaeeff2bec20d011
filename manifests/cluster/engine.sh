# shellcheck shell=bash
# Sourced by the scripts beside it. The Docker engine: one that answers is used as it is; where none does, ours is started,
# which shares nothing with any other: socket, data, processes, bridge and addresses are its own, all of it in $CACHE/engine.
here=${here:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
. "$here/../../tools/shell/step.sh"; . "$here/../../tools/shell/packages.sh"
engine_dir=$CACHE/engine
engine_socket=unix://$engine_dir/docker.sock
engine_pidfile=$engine_dir/docker.pid
# One bridge a CACHE: names of network interfaces have 15 characters at most.
engine_bridge=wa-$(cksum <<< "$CACHE" | cut -d' ' -f1 | xargs printf '%08x')
# Unix sockets have paths of 107 bytes at most, and containerd's is the longest below CACHE.
readonly longest_cache=60

# Prints nothing where one answers, else why not.
engine_silence() { { timeout 20 docker version --format '{{.Server.Version}}' > /dev/null || [ $? -ne 124 ] || echo "no answer within 20 s" >&2; } 2>&1; }
engine_answers() { command -v docker > /dev/null && [ -z "$(engine_silence)" ]; }

# The process of ours, if it runs; a number that another process has by now is no engine.
engine_pid() {
  local pid; pid=$(content "$engine_pidfile") && [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] || return 1
  tr '\0' '\n' < "/proc/$pid/cmdline" | grep -qxF -- "--pidfile=$engine_pidfile" && echo "$pid"
}
engine_is_ours() { [ "${DOCKER_HOST:-}" = "$engine_socket" ]; }

# Finds the engine to use: what DOCKER_HOST names, ours where it runs, then Docker's own default.
engine_find() {
  command -v docker >/dev/null || return 1
  if [ -n "${DOCKER_HOST:-}" ] && engine_answers; then return 0; fi
  if engine_pid >/dev/null && DOCKER_HOST=$engine_socket engine_answers; then export DOCKER_HOST=$engine_socket; return 0; fi
  (unset DOCKER_HOST; engine_answers) || return 1
  [ -z "${DOCKER_HOST:-}" ] || say "nothing answers at DOCKER_HOST=$DOCKER_HOST: using Docker's default"
  unset DOCKER_HOST
}

# Finds an engine, or starts ours.
engine() {
  mkdir -p "$engine_dir"
  exec 8> "$engine_dir/lock"; flock -w 300 8 || fail "engine: another process has been starting it for 5 minutes" "see who holds $engine_dir/lock: fuser -v $engine_dir/lock"
  engine_find || engine_start
  exec 8>&-
}

engine_start() {
  [ "$(id -u)" -eq 0 ] || fail "engine: no Docker engine answers ($(engine_silence)), and only root can start one" "start Docker and join its group, or run this as root"
  [ ${#CACHE} -le $longest_cache ] || fail "engine: CACHE is ${#CACHE} characters long ($CACHE); at most $longest_cache are allowed, since sockets stand below it" "set CACHE to a shorter path"
  packages dockerd:docker.io iptables jq ip:iproute2
  # Debian starts what it installs, where it is asked to.
  if (unset DOCKER_HOST; engine_answers); then unset DOCKER_HOST; return; fi
  say "no Docker engine answers: starting one of our own in $engine_dir"
  engine_clear
  local args=(--host "$engine_socket" --data-root "$engine_dir/data" --exec-root "$engine_dir/exec" "--pidfile=$engine_pidfile"
    --containerd-namespace "$engine_bridge" --containerd-plugins-namespace "$engine_bridge-plugins" --storage-driver overlay2)
  local network; network=$(engine_network)
  ip link show "$engine_bridge" > "$CACHE/logs/bridge.log" 2>&1 || ip link add "$engine_bridge" type bridge
  ip address replace "${network%.0.0/16}.255.1/24" dev "$engine_bridge"
  ip link set "$engine_bridge" up
  args+=(--bridge "$engine_bridge" --default-address-pool "base=${network%.0.0/16}.0.0/17,size=24")
  if ! grep -q '^CapBnd:.*1ffffffffff$' /proc/self/status; then
    install -m 755 "$here/runc-bounded" "$engine_dir/runc-bounded"
    args+=(--add-runtime "bounded=$engine_dir/runc-bounded" --default-runtime bounded)
  fi
  # Debian's containerd starts the first shim in its PATH: never one that was built here for the nodes.
  local path; path=$(dirname "$(PATH=$(without_ours) command -v dockerd)"):/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
  PATH=$path setsid nohup dockerd "${args[@]}" > "$engine_dir/dockerd.log" 2>&1 < /dev/null 8>&- &
  export DOCKER_HOST=$engine_socket
  step "engine: waiting until it answers" "read $engine_dir/dockerd.log; CACHE ($CACHE) must be on a file system on which overlay mounts work" engine_wait $!
}

engine_wait() { # its process
  for _ in $(seq 120); do
    ! engine_answers || return 0
    [ -e "/proc/$1" ] || { tail -n 15 "$engine_dir/dockerd.log"; echo "dockerd has ended"; return 1; }
    sleep 0.5
  done
  engine_silence; tail -n 15 "$engine_dir/dockerd.log"; return 1
}

# What a killed engine left: files that name processes which are gone, or are somebody else's by now.
engine_clear() {
  local pid; pid=$(content "$engine_dir/exec/containerd/containerd.pid")
  if [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' < "/proc/$pid/cmdline" | grep -qF "$engine_dir/exec"; then
    say "ending containerd ($pid), which a killed engine left"; kill "$pid"; sleep 1
  fi
  rm -f "$engine_pidfile" "$engine_dir/docker.sock" "$engine_dir/exec/containerd/containerd.pid"
}

without_ours() { tr ':' '\n' <<< "$PATH" | grep -vxF "$CACHE/bin" | paste -sd:; }

# The first of three networks that no route of this machine touches; kept, since what is in the data has addresses of it.
engine_network() {
  local network; network=$(content "$engine_dir/network")
  if [ -n "$network" ]; then echo "$network"; return; fi
  for network in 172.30.0.0/16 10.213.0.0/16 10.86.0.0/16; do
    [ -z "$(ip -4 route show root "$network"; ip -4 route show match "$network" | sed '/^default/d')" ] || continue
    echo "$network" | tee "$engine_dir/network"; return
  done
  fail "engine: routes of this machine touch each of 172.30.0.0/16, 10.213.0.0/16 and 10.86.0.0/16" "start a Docker engine of your own, with addresses that are free here"
}

# Ends ours, unless containers still run in it.
engine_end() {
  local pid; pid=$(engine_pid) || return 0
  local running; running=$(DOCKER_HOST=$engine_socket ask "engine: what runs in it" "read $engine_dir/dockerd.log" docker ps --format '{{.Names}}' | paste -sd' ')
  if [ -n "$running" ]; then say "our Docker engine goes on, since containers run in it: $running"; return; fi
  kill "$pid"
  for _ in $(seq 60); do [ -e "/proc/$pid" ] || break; sleep 0.5; done
  [ ! -e "/proc/$pid" ] || { say "dockerd ($pid) has not ended within 30 s: killed"; kill -9 "$pid"; }
  rm -f "$engine_pidfile" "$engine_dir/docker.sock"
  local bridge network; network=$(engine_network)
  for bridge in $(ip -o -4 address show | awk -v p="${network%0.0/16}" 'index($4, p) == 1 && $2 ~ /^(br|wa)-/ {print $2}'); do ip link delete "$bridge"; done
  say "our Docker engine ($pid) has ended; its images stay in $engine_dir"
}
