#!/bin/bash
# The release that upgrades are tried from: its sources out of this repository's history, and its images beside those of this
# tree, made by its own scripts. The second time it takes no time. The last line is the folder of its sources.
#   usage: earlier-release.sh [CLUSTER]      CLUSTER: the images are put into its nodes as well
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
. "$here/engine.sh"; . "$root/tools/shell/toolchain.sh"; export PATH=$CACHE/bin:$PATH
commit=7be18ba
sources=$CACHE/releases/$commit
images=(whatsapp-operator:"$commit" whatsapp-session-pod:"$commit" whatsapp-postgresql:"$commit")

# Two callers at once would write into one folder.
mkdir -p "$CACHE/releases"
exec 9> "$CACHE/releases/lock"; flock 9

take_sources() {
  rm -rf "$sources.part"; mkdir "$sources.part"
  git -C "$root" archive "$commit" | tar -x -C "$sources.part"
  cd "$sources.part"
  npm install --no-save --no-audit --no-fund --loglevel=error
  mv "$sources.part" "$sources"
}
if [ ! -d "$sources" ]; then
  packages git
  git -C "$root" cat-file -e "$commit^{commit}" > "$CACHE/logs/earlier-release-commit.log" 2>&1 ||
    fail "the commit $commit, from which upgrades are tried, is not in this repository" "a shallow clone gets the rest of its history by: git fetch --unshallow; what was unpacked from an archive has none: clone the repository"
  toolchain node
  step "sources and packages of $commit" "run this again" take_sources
fi
engine
if ! docker image inspect "${images[@]}" > "$CACHE/logs/earlier-release-images.log" 2>&1; then
  toolchain node
  # Its scripts would take this tree's programs for their own.
  step "images of $commit" "read the log; to begin anew: rm -r $sources" \
    env PATH="$(without_ours)" TAG="$commit" "$sources/manifests/cluster/images.sh" operator session-pod postgresql
fi
if [ $# -gt 0 ]; then
  step "images of $commit into the nodes of $1" "free some room, then run this again" kind load docker-image --name "$1" "${images[@]}"
fi
echo "$sources"
