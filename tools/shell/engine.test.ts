import { describe, expect, it } from "vitest";
import { Stage } from "./stage.ts";

const start = "manifests/cluster/start-docker.sh";
const silent = 'echo "Cannot connect to the Docker daemon" >&2; exit 1';
/** What an engine of ours is started with; `dockerd` is what a test looks at. */
const machine = (stage: Stage, dockerd: string): Stage =>
  stage
    .play("docker", silent)
    .play("id", "echo 0")
    .play("ip", "")
    .play("apt-get", "echo asked; exit 1")
    .play("dockerd", dockerd)
    .play("iptables", "")
    .play("jq", "");

describe("an engine that answers", () => {
  it("is used untouched", () => {
    using stage = machine(new Stage(), "touch $CACHE/started").play("docker", "echo 20.10.24");
    expect(stage.run(`${start}; ls $CACHE`).said).toMatch(/^DOCKER_HOST=\nengine\nlogs\ntook\n$/);
  });

  it("is used where DOCKER_HOST names it", () => {
    using stage = machine(new Stage(), "").play("docker", '[ "$DOCKER_HOST" = tcp://engine.example:2375 ] || exit 1');
    const { said } = stage.run(start, { DOCKER_HOST: "tcp://engine.example:2375" });
    expect(said).toBe("DOCKER_HOST=tcp://engine.example:2375\n");
  });

  it("is used where DOCKER_HOST names another that does not, and that is said", () => {
    using stage = machine(new Stage(), "").play("docker", '[ -z "${DOCKER_HOST:-}" ] || exit 1$(echo no >&2)');
    const { said } = stage.run(start, { DOCKER_HOST: "tcp://engine.example:2375" });
    expect(said).toContain("nothing answers at DOCKER_HOST=tcp://engine.example:2375: using Docker's default");
    expect(said).toContain("DOCKER_HOST=\n");
  });
});

describe("where none answers", () => {
  it("ours is started with a socket, data, processes, bridge and addresses of its own", () => {
    using stage = machine(new Stage(), 'printf "%s\\n" "$@" >&2; exit 1');
    const { said } = stage.run(start);
    const folder = `${stage.cache}/engine`;
    for (const own of [
      `unix://${folder}/docker.sock`,
      `${folder}/data`,
      `${folder}/exec`,
      `--pidfile=${folder}/docker.pid`,
    ])
      expect(stage.read("engine/dockerd.log")).toContain(own);
    expect(stage.read("engine/dockerd.log")).toMatch(
      /--bridge\nwa-[0-9a-f]{8}\n--default-address-pool\nbase=172\.30\.0\.0\/17,size=24/,
    );
    expect(said).toContain("starting one of our own");
  });

  it("its PATH has none of the programs that were built for the nodes", () => {
    using stage = machine(new Stage(), 'echo "PATH=$PATH" >&2; exit 1');
    stage.run(
      `PATH=$CACHE/bin:$PATH; mkdir -p $CACHE/bin; printf '#!/bin/sh\\n' > $CACHE/bin/dockerd; chmod +x $CACHE/bin/dockerd; ${start}`,
    );
    expect(stage.read("engine/dockerd.log")).toMatch(/PATH=\S+\/programs:/);
    expect(stage.read("engine/dockerd.log")).not.toContain("cache/bin");
  });

  it("one that ends at once says why", () => {
    using stage = machine(new Stage(), 'echo "failed to mount overlay: invalid argument" >&2; exit 1');
    const { code, said } = stage.run(start);
    expect(code).toBe(97);
    expect(said).toContain("failed to mount overlay: invalid argument");
    expect(said).toContain("file system on which overlay mounts work");
  });

  it("addresses that a route of the machine touches are left alone", () => {
    using stage = machine(new Stage(), "exit 1").play(
      "ip",
      'case "$*" in *"root 172.30.0.0/16") echo "172.30.4.0/24 dev vpn" ;; esac',
    );
    stage.run(start);
    expect(stage.read("engine/network")).toBe("10.213.0.0/16\n");
  });

  it("so are those of a wider route", () => {
    using stage = machine(new Stage(), "exit 1").play(
      "ip",
      'case "$*" in *"match "*) echo "default via 192.0.2.1"; echo "0.0.0.0/1 dev vpn" ;; esac',
    );
    expect(stage.run(start).said).toContain("routes of this machine touch each of");
  });

  it("only root can start it", () => {
    using stage = machine(new Stage(), "").play("id", "echo 1000");
    const { code, said } = stage.run(start);
    expect(code).toBe(97);
    expect(said).toContain(
      "no Docker engine answers (Cannot connect to the Docker daemon), and only root can start one",
    );
  });

  it("a CACHE that is too long for sockets is named, with what is allowed", () => {
    using stage = machine(new Stage(), "");
    const { said } = stage.run(start, { CACHE: `${stage.folder}/${"x".repeat(60)}` });
    expect(said).toMatch(/CACHE is \d+ characters long .*; at most 60 are allowed/);
  });

  it("the number of a process that is somebody else's by now is no engine, and ends nobody", () => {
    using stage = machine(new Stage(), "echo started anew >&2; exit 1");
    const { said } =
      stage.run(`sleep 60 & mkdir -p $CACHE/engine; echo $! > $CACHE/engine/docker.pid; touch $CACHE/engine/docker.sock
manifests/cluster/stop-docker.sh; kill -0 $! && echo it lives
${start}; kill $!`);
    expect(said).toContain("it lives");
    expect(said).toContain("started anew");
  });
});

describe("ours, where it runs", () => {
  /** A process that was started as ours is, and the socket that it answers at. */
  const running = `mkdir -p $CACHE/engine
sh -c 'while sleep 0.1; do :; done' dockerd "--pidfile=$CACHE/engine/docker.pid" & echo $! > $CACHE/engine/docker.pid`;
  const answersEverywhere = (containers: string): string =>
    `case "$*" in "ps "*) echo ${containers} ;; *) echo 20.10.24 ;; esac`;

  it("is used before one that answers at Docker's own place, since the cluster is in it", () => {
    using stage = machine(new Stage(), "echo a second one >&2").play("docker", answersEverywhere(""));
    const { said } = stage.run(`${running}\n${start}; kill $!`);
    expect(said).toContain(`DOCKER_HOST=unix://${stage.cache}/engine/docker.sock\n`);
  });

  it("ends by its own process, and with it its files", () => {
    using stage = machine(new Stage(), "").play("docker", answersEverywhere(""));
    const { said } = stage.run(
      `${running}\nmanifests/cluster/stop-docker.sh; kill -0 $! || echo ended; ls $CACHE/engine`,
    );
    expect(said).toContain("our Docker engine (");
    expect(said).toContain("ended\n");
    expect(said).not.toContain("docker.pid");
  });

  it("goes on while a container runs in it, and says which", () => {
    using stage = machine(new Stage(), "").play("docker", answersEverywhere("wa-demo-worker"));
    const { said } = stage.run(`${running}\nmanifests/cluster/stop-docker.sh; kill -0 $! && echo it lives; kill $!`);
    expect(said).toContain("goes on, since containers run in it: wa-demo-worker");
    expect(said).toContain("it lives");
  });
});
