#!/bin/bash
# Compiles operator and session pod as their images have them (compiled JavaScript; types are not stripped at run time) into
# .cache/bench, from where they find the packages of this checkout.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd); out=$root/.cache/bench
export PATH=$root/node_modules/.bin:$PATH
# The others are compiled against the schema's emitted declarations.
tsc -p "$root/crds/schema/tsconfig.build.json"
mkdir -p "$out/crds/schema" "$out/node_modules/@wa"
cp -r "$root"/crds/schema/{package.json,dist} "$out/crds/schema/"
ln -sfn ../../crds/schema "$out/node_modules/@wa/schema"
for part in operator session-pod; do
  mkdir -p "$out/$part"; rm -rf "${out:?}/$part/dist"
  cp "$root/$part/package.json" "$out/$part/"
  tsc -p "$root/$part/tsconfig.build.json" --outDir "$out/$part/dist"
done
