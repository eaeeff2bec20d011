# shellcheck shell=bash
# Sourced after step.sh: programs of Debian that are missing are installed where that is allowed, and else named.
packages() { # program or program:package...
  local each program package missing=()
  for each in "$@"; do
    program=${each%%:*} package=${each#*:}
    command -v "$program" > /dev/null || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local install="apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  command -v apt-get > /dev/null || fail "missing: ${missing[*]} (as Debian names them), and this system has no apt-get" "install them with this system's package manager"
  [ "$(id -u)" -eq 0 ] || fail "missing: ${missing[*]}, and only root can install them" "as root: $install"
  step "packages of Debian: ${missing[*]}" "run: $install" apt_install "${missing[@]}"
}
apt_install() {
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq -y install --no-install-recommends "$@"
}
