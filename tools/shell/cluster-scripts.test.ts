import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root, Stage } from "./stage.ts";

/** An engine that answers at Docker's own place and does what it is asked, save what a test says. */
const engine = (exceptions: string): string => `
case "$*" in ${exceptions}
  "version "*) echo 20.10.24 ;;
  "info "*) echo an-engine ;;
  "image ls"*) echo an-image ;;
esac`;
const go = (exceptions: string): string => `
case "$*" in ${exceptions}
  version) echo go version go1.26.6 linux/amd64 ;;
  "env GOPROXY") echo https://modules.example ;;
  "mod download"*) mkdir -p "$CACHE/src"; echo "go 1.26.0" > "$CACHE/src/go.mod"; echo "{\\"Dir\\": \\"$CACHE/src\\"}" ;;
esac`;
const noModule = "echo 'dial tcp: lookup modules.example: no such host' >&2; exit 1";
const noRoom = "echo 'write /layer.tar: no space left on device' >&2; exit 1";

/** A cluster whose binaries are there, so that nothing is compiled. */
function built(stage: Stage): Stage {
  const { said } = stage.run(
    ". manifests/cluster/versions.env; echo $KUBERNETES $ETCD $CNI_PLUGINS $KIND $CONTAINERD $COREDNS",
  );
  const [kubernetes = "", etcd = "", cni = "", kind = "", containerd = "", coredns = ""] = said.trim().split(" ");
  const versions: Readonly<Record<string, string>> = { etcd, kind, containerd, coredns, ctr: containerd };
  const kube = ["apiserver", "controller-manager", "scheduler", "proxy"].map((name) => `kube-${name}`);
  for (const name of [...kube, "kubelet", "kubeadm", "kubectl"]) stage.write(`bin/.${name}`, kubernetes);
  for (const name of ["ptp", "host-local", "loopback", "portmap"]) stage.write(`bin/.${name}`, cni);
  for (const [name, version] of Object.entries(versions)) stage.write(`bin/.${name}`, version);
  stage.write("bin/.containerd-shim-runc-v2", containerd);
  stage.run("cd $CACHE/bin; for f in .[a-z]*; do printf '#!/bin/sh\\nexit 0\\n' > ${f#.}; chmod +x ${f#.}; done");
  return stage;
}

describe("each step that fails says what its command said", () => {
  it.each([
    ["sources of Kubernetes", `"mod tidy") ${noModule} ;;`],
    ["sources of Kubernetes", `"mod download"*) ${noModule} ;;`],
    ["sources of etcd", `"get "*) ${noModule} ;;`],
    ["building 1 of 2: kube-apiserver", `*cmd/kube-apiserver) ${noModule} ;;`],
    ["building 2 of 2: etcd", `*etcd/server/v3) ${noModule} ;;`],
  ])("%s, where %s", (name, exception) => {
    using stage = new Stage().play("go", go(exception));
    const { code, said } = stage.run("manifests/cluster/build-binaries.sh control-plane");
    expect(code).toBe(97);
    expect(said).toContain(`FAILED  ${name}`);
    expect(said).toContain("lookup modules.example: no such host");
    expect(said).toContain("GOPROXY (https://modules.example)");
  });

  it.each([
    ["node image without the control plane", `"image ls"*filter*) ;; "build "*) ${noRoom} ;;`],
    ["image kube-apiserver:", `"image ls"*filter*) ;; "build "*kube-apiserver*) ${noRoom} ;;`],
    ["control plane's images into the node image", `"image ls"*filter*) ;; "run "*) ${noRoom} ;;`],
    ["control plane's images into the node image", `"image ls"*filter*) ;; "commit "*) ${noRoom} ;;`],
    ["Debian bookworm for the nodes", `"image ls"*) ;; "import "*) ${noRoom} ;;`],
  ])("%s, where %s", (name, exception) => {
    using stage = built(new Stage())
      .play("docker", engine(exception))
      .play("debootstrap", 'mkdir -p "${*: -1}"')
      .play("go", go('"build "*) while [ "$1" != -o ]; do shift; done; touch "$2" ;;'));
    stage.run("d=$CACHE/src/images/base/files; mkdir -p $d/etc/containerd; touch $d/etc/containerd/config.toml");
    const { code, said } = stage.run("manifests/cluster/build-node-image.sh");
    expect(code).toBe(97);
    expect(said).toContain(`FAILED  ${name}`);
    expect(said).toContain("no space left on device");
  });

  it("a cluster of kind that does not come up, with kind's words", () => {
    using stage = built(new Stage()).play("docker", engine("")).play("debootstrap", "");
    stage.write(
      "bin/kind",
      '#!/bin/bash\ncase "$*" in create*) echo "ERROR: could not find a log line" >&2; exit 1 ;; esac\n',
    );
    const { code, said } = stage.run("manifests/cluster/up.sh place 1");
    expect(code).toBe(97);
    expect(said).toContain("FAILED  cluster place");
    expect(said).toContain("could not find a log line");
  });

  it("a clone without the release from which upgrades are tried, with what gets it", () => {
    using stage = new Stage().play("git", 'echo "fatal: Not a valid object name" >&2; exit 128');
    const { code, said } = stage.run("manifests/cluster/earlier-release.sh");
    expect(code).toBe(97);
    expect(said).toMatch(
      /^FAILED {2}the commit [0-9a-f]{7}, from which upgrades are tried, is not in this repository$/m,
    );
    expect(said).toContain("git fetch --unshallow");
  });

  it("packages of that release which cannot be had, with npm's words", () => {
    using stage = new Stage()
      .play("git", '[ "$3" != archive ] || tar -c -T /dev/null')
      .play("node", "echo v24.0.0")
      .play("npm", 'case "$*" in --version) echo 11.0.0 ;; *) echo "npm error network"; exit 1 ;; esac');
    const { code, said } = stage.run("manifests/cluster/earlier-release.sh; ls $CACHE/releases");
    expect(said).toMatch(/^FAILED {2}sources and packages of [0-9a-f]{7}: /m);
    expect(said).toContain("npm error network");
    expect(code).toBe(0);
    expect(said, "what is not whole is not taken for it").not.toMatch(/^[0-9a-f]{7}$/m);
  });

  it("a question to an engine that goes away is no answer", () => {
    using stage = built(new Stage()).play("docker", engine(""));
    stage.write("bin/kind", '#!/bin/bash\necho "ERROR: failed to list clusters: connection refused" >&2; exit 1\n');
    const { code, said } = stage.run("manifests/cluster/up.sh place 1");
    expect(code).toBe(97);
    expect(said).toContain("FAILED  clusters of kind");
    expect(said).toContain("connection refused");
    expect(said).not.toContain("cluster place\n");
  });

  it("a container beside the cluster that does not start", () => {
    using stage = new Stage().play(
      "docker",
      engine('"ps "*) ;; "run "*) echo "no such image: whatsapp-simulator:dev" >&2; exit 125 ;;'),
    );
    const { code, said } = stage.run("manifests/cluster/outside-up.sh place 1");
    expect(code).toBe(97);
    expect(said).toContain("FAILED  container place-simulator");
    expect(said).toContain("no such image: whatsapp-simulator:dev");
    expect(said).toContain("images.sh");
  });
});

describe("what is left of an earlier run", () => {
  it("a cluster of this name on another engine is told, and a new one is made", () => {
    using stage = built(new Stage()).play("docker", engine("")).write("place.engine", "that-engine\n");
    stage.write("bin/kind", '#!/bin/bash\ncase "$*" in create*) exit 1 ;; esac\n');
    expect(stage.run("manifests/cluster/up.sh place 1").said).toContain("was made on another engine (that-engine)");
  });

  it("a node image of other versions is built anew", () => {
    using stage = built(new Stage())
      .play("docker", engine(`"image ls"*"label=wa.edition="*) ;; "build "*) ${noRoom} ;;`))
      .play("go", go(""));
    stage.run("d=$CACHE/src/images/base/files; mkdir -p $d/etc/containerd; touch $d/etc/containerd/config.toml");
    expect(stage.run("manifests/cluster/build-node-image.sh").said).toContain("node image without the control plane");
  });

  it("a binary whose compilation was cut short is built again", () => {
    using stage = built(new Stage()).play("go", go(""));
    stage.run("rm $CACHE/bin/.etcd");
    const { said } = stage.run("manifests/cluster/build-binaries.sh all");
    expect(said).toMatch(/building 1 of 1: etcd [\d.]+/);
  });
});

const scripts = globSync(["manifests/cluster/**/*.sh", "tools/**/*.sh", ".ci/run", "bench/*.sh"], { cwd: root });

it.each(scripts)("%s throws no error away", (script) => {
  const lines = readFileSync(join(root, script), "utf8").split("\n");
  expect(lines.filter((line) => /(2|&)> *\/dev\/null|2>&- /.test(line))).toEqual([]);
});
