#!/bin/bash
# Builds the project's images with Docker's classic builder and no image registry: compiled JavaScript, the production
# packages of one workspace, and Node as installed here. Unchanged layers come from the builder's cache.
#   usage: images.sh [operator|session-pod|simulator|postgresql|proxy]...      none named: all
#   BASE_IMAGE (default wa-debian:bookworm of build-node-image.sh; any Debian 12, such as debian:bookworm-slim, serves), TAG (default dev)
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
. "$here/engine.sh"; . "$root/tools/shell/toolchain.sh"; . "$here/versions.env"
base=${BASE_IMAGE:-wa-debian:$DEBIAN}; tag=${TAG:-dev}; export DOCKER_BUILDKIT=0

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
toolchain node; export PATH=$root/node_modules/.bin:$PATH
engine
base_advice="$here/build-node-image.sh makes wa-debian:$DEBIAN; or set BASE_IMAGE to a Debian 12 image that can be pulled"
present=$(ask "image $base" "see that the engine answers: docker version" docker image ls -q "$base")
if [ -z "$present" ]; then
  [[ $base != wa-debian:* ]] || fail "image $base is not here, and no registry has it" "$base_advice"
  step "pulling $base" "$base_advice" docker pull "$base"
fi

build() { # image, then arguments of docker build
  local image=whatsapp-$1:$tag; shift
  step "image $image" "mend what is named above; a file that it lacks may have been left out by an install that was interrupted: make install" \
    docker build --build-arg "BASE_IMAGE=$base" -t "$image" "$@"
}

schema() { # others are compiled against its emitted declarations
  [ ! -d "$work/schema" ] || return 0
  rm -rf "$root/crds/schema/dist"; step "compiling crds/schema" "make check says more" tsc -p "$root/crds/schema/tsconfig.build.json"
  mkdir -p "$work/schema/crds/schema"; cp -r "$root"/crds/schema/{package.json,dist} "$work/schema/crds/schema/"
}

# Exactly the packages that were tested: copied from node_modules, not resolved anew.
production_packages() { # workspace, target folder
  local path listed
  # npm ends with an error over peer packages that are left out on purpose (.npmrc); what it lists is whole.
  listed=$(cd "$root" && { npm ls --omit=dev --all --parseable -w "@wa/$1" 2> "$CACHE/logs/npm-ls.log" || true; })
  grep -qx "$root/node_modules/zod" <<< "$listed" ||
    { tail -n 25 "$CACHE/logs/npm-ls.log" >&2; fail "npm lists no packages of @wa/$1" "make install, then run this again"; }
  mkdir -p "$2/node_modules/@wa"; ln -s ../../crds/schema "$2/node_modules/@wa/schema"
  sed -n "s|^$root/\(node_modules/\)|\1|p" <<< "$listed" | grep -v '^node_modules/@wa/' |
    while read -r path; do (cd "$root" && cp -a --parents "$path" "$2/"); done
  # Half of all files, and nothing that runs reads them.
  find "$2/node_modules" -type f \( -name '*.d.ts' -o -name '*.d.[cm]ts' -o -name '*.map' \) -delete
}

node_image() { # workspace, entry point inside dist
  local context=$work/$1
  schema
  mkdir -p "$context/app/$1" "$context/packages"
  production_packages "$1" "$context/packages"
  cp -r "$work/schema/." "$context/app/"; cp "$root/$1/package.json" "$context/app/$1/"
  step "compiling $1" "make check says more" tsc -p "$root/$1/tsconfig.build.json" --outDir "$context/app/$1/dist"
  cp "$root"/{LICENSE,NOTICE} "$context/app/"
  cp "$root/node_modules/node/bin/node" "$context/node"
  cp "$here/images/messages" "$context/"
  build "$1" -f "$here/images/node.Dockerfile" --build-arg "MAIN=/app/$1/dist/$2" "$context"
}

for part in "${@:-operator session-pod simulator postgresql proxy}"; do
  for image in $part; do
    case "$image" in
      operator | session-pod | simulator) node_image "$image" main.js ;;
      postgresql | proxy) build "$image" -f "$here/images/$image.Dockerfile" "$here/images" ;;
      *) echo "usage: $0 [operator|session-pod|simulator|postgresql|proxy]..." >&2; exit 2 ;;
    esac
  done
done
