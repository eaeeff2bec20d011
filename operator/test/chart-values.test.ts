import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { rootCertificates } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chart, configOf, environmentOf, filesOf, helm, manifestsOf, render, renderWith } from "./chart.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wa-chart-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const freeForm = new Set(["resources", "postgresql.resources"]);

interface Value {
  readonly path: string;
  readonly value: unknown;
}

function valuesIn(object: unknown, prefix = ""): readonly Value[] {
  if (!isRecord(object)) return [];
  return Object.entries(object).flatMap(([key, value]) => {
    const path = `${prefix}${key}`;
    return [{ path, value }, ...(freeForm.has(path) ? [] : valuesIn(value, `${path}.`))];
  });
}
const all = valuesIn(parse(readFileSync(join(chart, "values.yaml"), "utf8")));
const isEmpty = (value: unknown): boolean =>
  value === "" || (Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0);
/** Without them Kubernetes' own default holds, or the chart's. */
const mayBeLeftOut = new Set(["replicas", "uninstallJob", ...freeForm]);

/** Helm's words where it refuses. */
function refusalOf(...flags: readonly string[]): string {
  try {
    renderWith(...flags);
    return "";
  } catch (error) {
    return String(error);
  }
}

describe("a key that is written without a value", () => {
  it.each(all.filter(({ value, path }) => !isEmpty(value) && !mayBeLeftOut.has(path)).map(({ path }) => path))(
    "%s is refused by its name",
    (path) => {
      const [name = "", ...parents] = path.split(".").toReversed();
      const at = parents.length === 0 ? "''" : `'/${parents.toReversed().join("/")}'`;
      const file = join(folder, "null.yaml");
      writeFileSync(file, stringify(path.split(".").reduceRight<unknown>((value, key) => ({ [key]: value }), null)));
      for (const flags of [
        ["--set", `${path}=null`],
        ["-f", file],
      ]) {
        expect(refusalOf(...flags)).toContain(`at ${at}: missing property '${name}'`);
        expect(refusalOf(...flags)).not.toContain("nil pointer");
      }
    },
  );

  it.each(all.filter(({ value }) => isEmpty(value)).map(({ path }) => path))("%s is as empty as by itself", (path) => {
    expect(configOf(render(`${path}=null`))).toEqual(configOf(render()));
  });

  it.each(["replicas", "uninstallJob"])("%s: as by default", (path) => {
    expect(render(`${path}=null`)).toBe(render());
  });

  it.each([...freeForm])("%s: none are asked for", (path) => {
    expect(() => configOf(render(`${path}=null`))).not.toThrow();
  });
});

describe("a value of another shape is refused by its name", () => {
  const objects = all.filter(({ value }) => isRecord(value));
  it.each(objects.map(({ path }) => path))("%s: a list, a text and a number", (path) => {
    const at = `at '/${path.replaceAll(".", "/")}': got`;
    for (const wrong of ["{a}", "text", "3"]) expect(refusalOf("--set", `${path}=${wrong}`)).toContain(at);
  });

  it.each([
    ["images.tag=0.1.0+build", "/images/tag"],
    ["postgresql.storage.size=0Gi", "/postgresql/storage/size"],
    ["postgresql.storage.size=8G", "/postgresql/storage/size"],
    ["replicas=0", "/replicas"],
  ])("%s", (setting, at) => {
    expect(refusalOf("--set", setting)).toContain(`at '${at}'`);
  });
});

describe("certificates to trust", () => {
  const withBundle = (text: string): readonly string[] => {
    const file = join(folder, "ca.pem");
    writeFileSync(file, text);
    return ["--set-file", `whatsapp.caBundle=${file}`];
  };
  const manyOf = (characters: number): string => {
    const once = `${rootCertificates.join("\n")}\n`;
    return `${once.repeat(Math.floor(characters / once.length))}${once.slice(0, once.lastIndexOf("-----BEGIN"))}`;
  };

  it("of a whole distribution reach the operator by a file, and the process starts", () => {
    const bundle = manyOf(220_000).slice(0, 219_597);
    const whole = bundle.slice(0, bundle.lastIndexOf("-----BEGIN")).trim();
    const text = renderWith(...withBundle(whole));
    const env = environmentOf(text);
    const started = spawnSync(process.execPath, ["-e", "process.exit(7)"], { env });
    expect([started.error, started.status]).toEqual([undefined, 7]);
    expect(configOf(text).whatsapp.caBundle).toBe(whole);
    expect([...filesOf(text).keys()]).toEqual([env["WHATSAPP_CA_FILE"]]);
  });

  it.each(["\n", "\r\n", "", " \n\n"])("are told as they are written, to the last of their bytes: %j", (end) => {
    const written = `${end}${rootCertificates[0] ?? ""}${end}`;
    expect(configOf(renderWith(...withBundle(written))).whatsapp.caBundle).toBe(written);
  });

  it("are another operator when they change, and nothing is mounted without any", () => {
    const one = renderWith(...withBundle(rootCertificates[0] ?? ""));
    const other = renderWith(...withBundle(rootCertificates[1] ?? ""));
    const mark = (text: string) => /whatsapp-operator.io\/ca-bundle: [0-9a-f]{64}/.exec(text)?.[0];
    expect(mark(one)).toBeDefined();
    expect(mark(other)).not.toBe(mark(one));
    expect(manifestsOf(render("whatsapp.caBundle= ")).map(({ kind }) => kind)).not.toContain("ConfigMap");
  });

  it.each([
    ["garbage", "garbage", 'whatsapp.caBundle is no PEM certificate (7 characters that begin with "garbage")'],
    [
      "a private key",
      `${rootCertificates[0] ?? ""}\n-----BEGIN PRIVATE KEY-----`,
      "whatsapp.caBundle holds a private key",
    ],
    ["more than Helm can keep", "x".repeat(400_001), "at '/whatsapp/caBundle': maxLength: got 400,001, want 400,000"],
  ])("that are %s are refused, with what is allowed", (_, text, words) => {
    expect(refusalOf(...withBundle(text))).toContain(words);
    expect(refusalOf(...withBundle(text)).length).toBeLessThan(2_000);
  });
});

describe("versions and names that neither labels nor tags nor Services may hold as they are", () => {
  const labelValue = /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;
  const tag = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
  const service = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;

  async function chartOf(version: string, appVersion: string): Promise<string> {
    const copy = await mkdtemp(join(folder, "chart-"));
    await cp(chart, copy, { recursive: true });
    const own = readFileSync(join(copy, "Chart.yaml"), "utf8");
    const changed = own.replace(/^version: .*/m, `version: ${version}`).replace(/^appVersion: .*/m, appVersion);
    writeFileSync(join(copy, "Chart.yaml"), changed);
    return copy;
  }

  it.each([
    ["a digest, as Flux appends it", "0.1.0+570022cfeb6c", "appVersion: 0.1.0"],
    ["build metadata", "0.1.0", "appVersion: 0.1.0+build.5"],
    ["two hundred characters", `0.1.0-${"rc1.".repeat(50)}x`, `appVersion: 0.1.0-${"rc1.".repeat(50)}x`],
    [
      "a dash where the label ends",
      `0.1.0-${"a".repeat(38)}-${"b".repeat(20)}`,
      `appVersion: 0.1.0-${"a".repeat(56)}-b`,
    ],
    [
      "a dot where the label ends",
      `0.1.0-${"a".repeat(38)}.${"b".repeat(20)}`,
      `appVersion: 0.1.0-${"a".repeat(56)}.b`,
    ],
    ["words", "0.1.0", 'appVersion: "-nightly (main)/5"'],
    ["no appVersion at all", "0.1.0+1", ""],
  ])("%s", async (_, version, appVersion) => {
    const text = helm("template", "wa", await chartOf(version, appVersion), "-n", "wa-system");
    for (const { kind, metadata } of manifestsOf(text).filter(
      (manifest) => manifest.kind !== "CustomResourceDefinition",
    ))
      for (const value of Object.values(labelsOf(metadata))) expect(value, kind).toMatch(labelValue);
    expect(configOf(text).session.image.split(":")[1]).toMatch(tag);
  });

  it.each(["a".repeat(53), `${"a".repeat(22)}-${"b".repeat(30)}`, `${"a".repeat(38)}---b`, "prod.eu", "1st"])(
    "the release %s",
    (release) => {
      const text = helm("template", release, chart, "-n", "wa-system");
      const all = manifestsOf(text).filter(({ kind }) => kind !== "CustomResourceDefinition");
      for (const { kind, metadata } of all) expect(metadata.name, kind).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
      for (const { metadata } of all.filter(({ kind }) => kind === "Service")) expect(metadata.name).toMatch(service);
      // A StatefulSet's pods carry its name and a hash in a label.
      for (const { metadata } of all.filter(({ kind }) => kind === "StatefulSet"))
        expect(metadata.name.length).toBeLessThanOrEqual(52);
    },
  );
});

const labelsOf = (metadata: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> => {
  const labels: unknown = metadata["labels"];
  return isRecord(labels) ? Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)])) : {};
};
