import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { root, Stage } from "./stage.ts";

const { scripts }: { readonly scripts: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);
const programs = ["session", "messages", "simulator"] as const;

it.each(programs)(
  "npm run %s replaces its shell, which passes no signal on, and loads what ends it with npm",
  (name) => {
    expect(scripts[name]).toMatch(/^exec node .*--require \.\/tools\/before-program\.cjs /);
  },
);

it.each(["v18.20.4", "v20.20.2", "v22.17.1"])(
  "Node %s is told at once that it is too old, and what gets a newer one",
  (old) => {
    using stage = new Stage();
    // The Node of these tests, which says that it is another one.
    const pretend = `Object.defineProperty(process.versions, "node", { value: "${old.slice(1)}" })`;
    const { code, said } = stage.run(
      `echo '${pretend}' > $CACHE/old.cjs; '${process.execPath}' --require $CACHE/old.cjs --require ./tools/before-program.cjs -e 'console.log("went on")'`,
    );
    expect(code).toBe(1);
    expect(said).toContain(`Node ${old.slice(1)} is too old; 22.18 or newer is needed`);
    expect(said).toContain("make install");
    expect(said).not.toContain("went on");
  },
);
