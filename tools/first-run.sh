#!/bin/bash
# README's two commands as a machine sees them on which nothing of this project ever ran: a Debian 12 with git and make alone,
# in a file system, process table and network of its own, with an empty home and cache, and a clone of what is committed here.
# Of this machine it has what reaches the registries: their settings, names and certificates, and the variables that name them.
#   FIRST_RUN         both (default): make demo, then make test; demo: the first alone
#   ENGINE            no (default): no Docker engine answers; yes: one of the machine's own does, and must be left as it was
#   FIRST_RUN_FOLDER  where the machine is ($CACHE/first-run); 10 GB, most of them removed at the end
#   FIRST_RUN_KEEP    1 goes on in the machine of a run before, with all that it has by then, and leaves it; no time is kept
# Its times go into bench/by-hand.json and docs/benchmarks.md, those of its steps into tools/shell/took.txt.
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/.." && pwd)
. "$here/shell/step.sh"; . "$here/shell/packages.sh"
what=${FIRST_RUN:-both} has_engine=${ENGINE:-no} keep=${FIRST_RUN_KEEP:-}
case "$what" in demo | both) ;; *) fail "FIRST_RUN is $what" "allowed: demo, both" ;; esac
case "$has_engine" in yes | no) ;; *) fail "ENGINE is $has_engine" "allowed: yes, no" ;; esac
folder=${FIRST_RUN_FOLDER:-$CACHE/first-run} machine=${FIRST_RUN_FOLDER:-$CACHE/first-run}/machine
link=wa-first namespace=wa-first-run network=192.168.231
again="run this again; FIRST_RUN_KEEP=1 goes on in what is there ($machine)"

[ "$(id -u)" -eq 0 ] || fail "only root can make such a machine" "run this as root"
packages debootstrap ip:iproute2 iptables unshare:util-linux git
mkdir -p "$folder"; exec 9> "$folder/lock"
flock -n 9 || fail "another first run uses $folder" "wait for it, or set FIRST_RUN_FOLDER"

# --- the machine ---
base() {
  rm -rf "$folder/base.new"
  debootstrap --variant=minbase --include=git,make,ca-certificates bookworm "$folder/base.new"
  mv "$folder/base.new" "$folder/base"
}
fresh() {
  local file
  rm -rf "$machine"; cp -a "$folder/base" "$machine"
  for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/npmrc /usr/etc/npmrc /etc/ssl/certs/ca-certificates.crt \
    "$HOME/.npmrc" "$HOME/.config/pip/pip.conf" "$HOME/.config/go/env" /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    [ ! -f "$file" ] || { mkdir -p "$machine$(dirname "$file")"; cp -L "$file" "$machine$file"; }
  done
  sed -i "/^nodedir/d" "$machine$HOME/.npmrc" 2> "$CACHE/logs/npmrc.log" || true
  [ ! -f "$machine/etc/apt/sources.list.d/debian.sources" ] || [ -f /etc/apt/sources.list ] || rm -f "$machine/etc/apt/sources.list"
  cp -a /usr/share/keyrings/debian-*.gpg "$machine/usr/share/keyrings/"
  git clone --quiet --no-local "file://$root" "$machine/root/whatsapp-operator"
}
[ -d "$folder/base" ] || step "Debian with git and make" "$again" base
if [ "$keep" != 1 ] || [ ! -d "$machine" ]; then step "a machine where nothing ran" "$again" fresh
else git -C "$machine/root/whatsapp-operator" pull --quiet "file://$root" HEAD; fi
say "commit $(git -C "$machine/root/whatsapp-operator" log -1 --format='%h %s'); what is not committed is not in it"

# --- its network: addresses of its own behind this machine's ---
rule() { # A or D or I
  iptables "$1" FORWARD -i "$link" -j ACCEPT; iptables "$1" FORWARD -o "$link" -j ACCEPT
  iptables -t nat "${1/I/A}" POSTROUTING -s "$network.0/24" ! -o "$link" -j MASQUERADE
}
forwarding=$(< /proc/sys/net/ipv4/ip_forward)
remove() {
  trap - EXIT ERR; set +e
  rule -D; ip link delete "$link"; ip netns delete "$namespace"; echo "$forwarding" > /proc/sys/net/ipv4/ip_forward
  [ "$keep" = 1 ] || rm -rf "$machine"
}
if ip netns list | grep -q "^$namespace\b"; then say "what a first run that was killed left of its network is removed"; keep=1 remove > "$CACHE/logs/left-network.log" 2>&1; fi
trap 'at_error $? $LINENO "$BASH_COMMAND"' ERR; set -e
join() {
  ip netns add "$namespace"
  ip link add "$link" type veth peer name uplink netns "$namespace"
  ip address add "$network.1/24" dev "$link"; ip link set "$link" up
  ip -n "$namespace" address add "$network.2/24" dev uplink
  ip -n "$namespace" link set uplink up; ip -n "$namespace" link set lo up
  ip -n "$namespace" route add default via "$network.1"
  echo 1 > /proc/sys/net/ipv4/ip_forward
  rule -I
}
step "its network" "ip netns delete $namespace; ip link delete $link; then run this again" join
trap remove EXIT

# --- the commands ---
carried=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "TERM=${TERM:-dumb}")
while IFS= read -r variable; do carried+=("$variable"); done < <(env |
  grep -E '^[A-Za-z_]*(PROXY|proxy|CERTS?|CA_BUNDLE|CAINFO|CERT_FILE|CERT_DIR|INDEX_URL|REGISTRY|registry)=|^GO(SUMDB|NOSUMDB|PRIVATE|NOPROXY)=|^PIP_DEFAULT_TIMEOUT=')
# shellcheck disable=SC2016  # for the shell inside
nsenter "--net=/run/netns/$namespace" unshare --mount --pid --fork --kill-child --propagation private bash -euc '
  machine=$1; shift
  mount --bind "$machine" "$machine"
  mount -t proc proc "$machine/proc"; mount -t sysfs sysfs "$machine/sys"; mount -t tmpfs tmpfs "$machine/run"
  mount --rbind /dev "$machine/dev"; mount --rbind /sys/fs/cgroup "$machine/sys/fs/cgroup"
  mkdir -p "$machine/old"; cd "$machine"; pivot_root . old; umount -l /old
  cd /root/whatsapp-operator; exec "$@"
' bash "$machine" env -i "${carried[@]}" tools/first-run-inside.sh "$what" "$has_engine" 9>&- < /dev/null || fail "README's commands on a fresh machine" "what failed stands above; $again"

cat "$machine/root/first-run.tsv"
[ "$keep" != 1 ] || exit 0
(cd "$machine/root/.cache/wa-cluster/took" && for each in *; do printf '%s %s\n' "$each" "$(< "$each")"; done) | awk '$2 >= 10' > "$here/shell/took.txt"
cd "$root"; export PATH=$root/node_modules/.bin:$PATH
node --conditions=source bench/first-run.ts "$has_engine" "$(cut -d' ' -f1-3 /proc/loadavg)" < "$machine/root/first-run.tsv"
oxfmt bench/by-hand.json
node --conditions=source --disable-warning=ExperimentalWarning bench/main.ts page
