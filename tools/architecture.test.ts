import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseSync } from "oxc-parser";
import { expect, it } from "vitest";

/**
 * Which folder may import which: the arrows point to the pure side. A folder that is not listed here belongs to no layer,
 * and a file in it fails the test, so the rules cannot become empty.
 */
const root = resolve(import.meta.dirname, "..");

interface Layer {
  /** Other layers (folders) it may import; `type:` before a name allows types alone. */
  readonly may: readonly string[];
  /** Packages it may import; node: built-ins are allowed unless `pure`. */
  readonly vendors: readonly string[];
  readonly pure?: boolean;
}

const operator = (folder: string) => `operator/src/${folder}`;
const pod = (folder: string) => `session-pod/src/${folder}`;
const ports = "session-pod/src/sessions";

const layers: Readonly<Record<string, Layer>> = {
  "crds/schema/src": { may: [], vendors: ["zod", "ipaddr.js"] },
  [operator("build")]: {
    may: [`type:${operator("plan")}`],
    vendors: ["@wa/schema", "type:@kubernetes/client-node"],
    pure: true,
  },
  [operator("plan")]: { may: [operator("build")], vendors: ["@wa/schema", "type:@kubernetes/client-node"], pure: true },
  [operator("world")]: {
    may: [operator("plan"), operator("kube"), `type:${operator("hub")}`],
    vendors: ["@wa/schema", "zod"],
  },
  [operator("act")]: {
    may: [operator("plan"), operator("build"), operator("kube"), operator("observe")],
    vendors: ["@wa/schema", "zod", "@peculiar/x509", "reflect-metadata"],
  },
  [operator("kube")]: { may: [], vendors: ["@kubernetes/client-node", "undici", "prom-client", "zod", "type:pino"] },
  [operator("hub")]: {
    may: [operator("plan"), operator("act"), operator("kube"), operator("observe")],
    vendors: ["@wa/schema", "ws", "jose", "@peculiar/x509", "reflect-metadata", "zod", "prom-client", "type:pino"],
  },
  [operator("observe")]: { may: [], vendors: ["@wa/schema", "prom-client", "pino"] },
  [operator("config")]: { may: [], vendors: ["@wa/schema", "zod"] },
  [operator("controllers")]: {
    may: ["plan", "build", "world", "act", "kube", "observe", "hub", "config"].map(operator),
    vendors: ["@wa/schema", "type:pino", "type:prom-client"],
  },
  [pod("session")]: { may: [], vendors: ["@wa/schema"], pure: true },
  [ports]: { may: [pod("session"), pod("observe")], vendors: ["@wa/schema", "type:undici", "type:pino"] },
  [pod("whatsapp")]: {
    may: [`${ports}`, pod("session"), pod("observe")],
    vendors: ["@wa/schema", "@whiskeysockets/baileys", "@hapi/boom", "type:undici", "type:pino", "pino", "zod"],
  },
  [pod("egress")]: { may: [ports], vendors: ["@wa/schema", "socks", "socks-proxy-agent", "undici"] },
  [pod("store")]: { may: [ports], vendors: ["@wa/schema", "kysely", "pg", "zod", "type:pg"] },
  [pod("link")]: {
    may: [`type:${ports}`, pod("session"), pod("observe")],
    vendors: ["@wa/schema", "ws", "zod", "type:pino"],
  },
  [pod("observe")]: { may: [], vendors: ["@wa/schema", "prom-client", "pino"] },
  [pod("config")]: { may: [pod("observe"), pod("session")], vendors: ["@wa/schema", "zod"] },
  "simulator/src": {
    may: [],
    vendors: ["zod", "ws", "pino", "@peculiar/x509", "reflect-metadata", "libsignal", "curve25519-js"],
  },
  "simulator/src/wire": { may: [], vendors: ["@whiskeysockets/baileys", "libsignal", "curve25519-js"] },
  "e2e/src": { may: [], vendors: ["@wa/schema", "type:@wa/simulator", "zod"] },
};
/** Wiring: these import everything and nobody imports them. */
const wiring = new Set([
  "operator/src/main.ts",
  "session-pod/src/main.ts",
  "session-pod/src/alone.ts",
  "session-pod/src/messages.ts",
]);

interface Import {
  readonly file: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const { module } = parseSync(file, readFileSync(join(root, file), "utf8"));
  const found: Import[] = module.staticImports.map((item) => ({
    file,
    target: item.moduleRequest.value,
    typeOnly: item.entries.length > 0 && item.entries.every((entry) => entry.isType),
  }));
  for (const exported of module.staticExports)
    for (const entry of exported.entries)
      if (entry.moduleRequest) found.push({ file, target: entry.moduleRequest.value, typeOnly: entry.isType });
  return found;
}

const layerOf = (file: string): string | undefined =>
  Object.keys(layers)
    .filter((folder) => file.startsWith(`${folder}/`))
    .toSorted((a, b) => b.length - a.length)[0];

const packageOf = (file: string): string => file.split("/src/")[0] ?? "";

function allowed(list: readonly string[], name: string, typeOnly: boolean): boolean {
  return list.includes(name) || (typeOnly && list.includes(`type:${name}`));
}

function packageName(target: string): string {
  return target
    .split("/")
    .slice(0, target.startsWith("@") ? 2 : 1)
    .join("/");
}

function vendorFault(layer: Layer, { file, target, typeOnly }: Import): string | undefined {
  const isFine = target.startsWith("node:")
    ? layer.pure !== true || ["node:crypto", "node:util"].includes(target)
    : allowed(layer.vendors, packageName(target), typeOnly);
  return isFine ? undefined : `${file} may not import ${target}`;
}

function folderFault(layer: Layer, { file, target, typeOnly }: Import): string | undefined {
  const to = relative(root, resolve(root, dirname(file), target));
  const toLayer = layerOf(to);
  if (packageOf(to) !== packageOf(file)) return `${file} may not import ${target}: another package's inside`;
  if (wiring.has(to)) return `${file} may not import ${target}: wiring is imported by nobody`;
  if (toLayer === undefined || toLayer === layerOf(file) || packageOf(file) === "simulator") return undefined;
  return allowed(layer.may, toLayer, typeOnly) ? undefined : `${file} may not import ${target}`;
}

/** Why this import is wrong, or undefined. */
function fault(found: Import): string | undefined {
  if (wiring.has(found.file)) return undefined;
  const layer = layers[layerOf(found.file) ?? ""];
  if (layer === undefined) return `${found.file} belongs to no layer`;
  return found.target.startsWith(".") ? folderFault(layer, found) : vendorFault(layer, found);
}

const sources = globSync("{crds/schema,operator,session-pod,simulator,e2e}/src/**/*.ts", { cwd: root }).filter(
  (file) => !file.endsWith(".test.ts"),
);

it("every source file belongs to a layer and imports only what its layer may", () => {
  expect(sources.length).toBeGreaterThan(40);
  const homeless = sources.filter((file) => layerOf(file) === undefined && !wiring.has(file));
  const faults = sources.flatMap(importsOf).flatMap((item) => fault(item) ?? []);
  expect([...homeless, ...faults]).toEqual([]);
});

it.each([
  ["plan reads the clock's module", { file: "operator/src/plan/x.ts", target: "node:timers", typeOnly: false }],
  [
    "build calls the API client",
    { file: "operator/src/build/x.ts", target: "@kubernetes/client-node", typeOnly: false },
  ],
  [
    "the operator reaches into the session pod",
    { file: "operator/src/plan/x.ts", target: "../../../session-pod/src/session/step.ts", typeOnly: false },
  ],
  [
    "Baileys outside its folder",
    { file: "session-pod/src/link/x.ts", target: "@whiskeysockets/baileys", typeOnly: false },
  ],
  ["kube knows WhatsApp", { file: "operator/src/kube/x.ts", target: "@wa/schema", typeOnly: false }],
])("finds a planted fault: %s", (_case, planted) => {
  expect(fault(planted)).toBeDefined();
});
