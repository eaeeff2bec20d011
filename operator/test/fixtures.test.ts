import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { EgressEndpoint, EgressPool, WhatsAppDevice } from "@wa/schema";
import { fetch, Agent } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { loadClusterAccess } from "../src/kube/kubeconfig.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";

/** Documents as users write them, tried on a real API server and on zod: both accept, or both say what the file says. */
const folder = join(import.meta.dirname, "../../crds/schema/fixtures");
const schemas = {
  WhatsAppDevice: { schema: WhatsAppDevice, plural: "whatsappdevices" },
  EgressPool: { schema: EgressPool, plural: "egresspools" },
  EgressEndpoint: { schema: EgressEndpoint, plural: "egressendpoints" },
};
const Head = z.object({
  kind: z.enum(["WhatsAppDevice", "EgressPool", "EgressEndpoint"]),
  metadata: z.object({ name: z.string() }),
});

interface Fixture {
  readonly file: string;
  /** One document, or two: what was before, and the update that is tried. */
  readonly documents: readonly string[];
  /** What each says, or `accepted`. */
  readonly api: string;
  readonly zod: string;
}

function fixturesIn(part: string): readonly Fixture[] {
  return readdirSync(join(folder, part)).map((file) => {
    const text = readFileSync(join(folder, part, file), "utf8");
    const said = (who: string) => new RegExp(`^# ${who}: (.*)$`, "m").exec(text)?.[1] ?? "accepted";
    return { file, documents: text.split(/^---$/m), api: said("api"), zod: said("zod") };
  });
}
const valid = fixturesIn("valid");
const invalid = fixturesIn("invalid");
const updates = fixturesIn("update");

let server: ApiServer;
let agent: Agent;
let namespace: string;
beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
  namespace = await server.createNamespace();
  const { tls } = await loadClusterAccess(server.kubeconfig);
  agent = new Agent({ connect: tls });
});
afterAll(async () => {
  await agent.close();
  await server.stop();
});

/** As YAML 1.1, which kubectl and the API server speak: `no` is a boolean there. */
const valueOf = (document: string): unknown => parseAllDocuments(document, { version: "1.1" })[0]?.toJS();

const pathOf = (kind: keyof typeof schemas) =>
  `/apis/whatsapp-operator.io/v1alpha1/namespaces/${namespace}/${schemas[kind].plural}`;

interface Sending {
  readonly method: "POST" | "PATCH";
  readonly path: string;
  readonly contentType: string;
  readonly body: string;
  readonly isDryRun: boolean;
}

/** What the API server says; unknown fields are refused, as kubectl asks for. */
async function send({ method, path, contentType, body, isDryRun }: Sending): Promise<string> {
  const query = `fieldValidation=Strict${isDryRun ? "&dryRun=All" : ""}`;
  const response = await fetch(`${server.url}${path}?${query}`, {
    method,
    headers: { authorization: `Bearer ${server.token}`, "content-type": contentType },
    body,
    dispatcher: agent,
  });
  const { message } = z.object({ message: z.string().default("") }).parse(await response.json());
  return response.ok ? "accepted" : message;
}

/** The document goes as it stands, so that the API server's own YAML parser reads it. */
async function create(document: string, options: { readonly isDryRun: boolean }): Promise<string> {
  const path = pathOf(Head.parse(valueOf(document)).kind);
  return await send({ method: "POST", path, contentType: "application/yaml", body: document, ...options });
}

async function update(document: string): Promise<string> {
  const value = valueOf(document);
  const { kind, metadata } = Head.parse(value);
  const path = `${pathOf(kind)}/${metadata.name}`;
  const contentType = "application/merge-patch+json";
  return await send({ method: "PATCH", path, contentType, body: JSON.stringify(value), isDryRun: true });
}

function parseByZod(document: string): string {
  const value = valueOf(document);
  const parsed = schemas[Head.parse(value).kind].schema.safeParse(value);
  if (parsed.success) return "accepted";
  return parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
}

const saysWhat = (expected: string) => expect.stringContaining(expected.startsWith("accepted") ? "accepted" : expected);

it("tries as many documents as there are", () => {
  expect([valid.length, invalid.length, updates.length]).toEqual([9, 50, 6]);
});

describe("valid", () => {
  it.each(valid)("$file", async ({ documents: [document = ""] }) => {
    expect(await create(document, { isDryRun: true })).toBe("accepted");
    expect(parseByZod(document)).toBe("accepted");
  });
});

describe("invalid", () => {
  it.each(invalid)("$file: $api", async ({ documents: [document = ""], api, zod }) => {
    expect(await create(document, { isDryRun: true })).toEqual(saysWhat(api));
    expect(parseByZod(document)).toEqual(saysWhat(zod));
  });
});

describe("update", () => {
  it.each(updates)("$file: $api", async ({ documents: [before = "", after = ""], api, zod }) => {
    expect(await create(before, { isDryRun: false })).toBe("accepted");
    expect(await update(after)).toEqual(saysWhat(api));
    expect(parseByZod(after)).toEqual(saysWhat(zod));
    const { kind, metadata } = Head.parse(valueOf(before));
    await server.transport.call({
      method: "DELETE",
      path: `${pathOf(kind)}/${metadata.name}`,
    });
  });
});

it("fills in the same defaults as zod", async () => {
  for (const { file, documents } of valid) {
    const document = documents[0] ?? "";
    const { kind, metadata } = Head.parse(valueOf(document));
    await create(document, { isDryRun: false });
    const path = `${pathOf(kind)}/${metadata.name}`;
    const { spec } = z.object({ spec: z.unknown() }).parse(await server.transport.call({ method: "GET", path }));
    expect(schemas[kind].schema.parse(valueOf(document)).spec, file).toEqual(spec);
  }
});
