import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { readHistory, sendHistory } from "../phone/history.ts";
import {
  enterCode,
  forgetSessions,
  message,
  PhoneError,
  refreshCodes,
  scan,
  takeKeys,
  text,
  unlink,
} from "../phone/phone.ts";
import { Letter } from "../scenarios/letter.ts";
import { readBody, readPhoneScenario, readScenario, readStanzas, ScenarioError } from "../scenarios/read.ts";
import { Standing } from "../scenarios/standing.ts";
import type { Context } from "../server/context.ts";
import { connectionsOf, nodeOf, type Target } from "../server/injection.ts";
import { sourceOf } from "../server/upgrade.ts";
import { readStats } from "./stats.ts";

/** What the control endpoints need beside the server's own state. */
export interface ControlOptions {
  readonly caPem: string;
  /** Answered by `GET /ip` in place of the caller's address: for tests that an observed address comes from here. */
  readonly echoIp?: string | undefined;
}

interface Call {
  readonly context: Context;
  readonly options: ControlOptions;
  readonly query: URLSearchParams;
  readonly source: string;
  readonly body: string;
}

interface Reply {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
}

const Digits = z.string().regex(/^\d{5,15}$/, "expected 5 to 15 digits");
const mostBodyBytes = 1_048_576;

const json = (value: unknown): Reply => ({ type: "application/json", body: `${JSON.stringify(value)}\n` });
const done: Reply = { body: "ok\n" };

function digits(call: Call, name: string): string {
  const parsed = Digits.safeParse(call.query.get(name));
  if (!parsed.success)
    throw new PhoneError(`${name}: ${JSON.stringify(call.query.get(name))} is not a number; expected 5 to 15 digits`);
  return parsed.data;
}

const optionalDigits = (call: Call, name: string): string | undefined =>
  call.query.has(name) ? digits(call, name) : undefined;

function deviceNumber(call: Call): number {
  const text = call.query.get("device");
  if (text === null || !/^[1-9]\d{0,4}$/.test(text))
    throw new PhoneError(`device: ${JSON.stringify(text)} is no device number; expected 1 or more`);
  return Number(text);
}

function target(call: Call): Target {
  const connection = call.query.get("connection");
  if (connection === null)
    return { phone: digits(call, "phone"), device: call.query.has("device") ? deviceNumber(call) : undefined };
  if (!/^[1-9]\d{0,8}$/.test(connection))
    throw new PhoneError(`connection: ${JSON.stringify(connection)} is no connection's id; the stats name them`);
  return { connection: Number(connection) };
}

/** Sends what a test made up, as it is, to the clients that are connected now. */
function inject(call: Call): Reply {
  const stanzas = readStanzas(call.body).map(nodeOf);
  const connections = connectionsOf(call.context, target(call));
  if (connections.length === 0) throw new PhoneError(`${call.query.toString()}: no such client is connected`);
  for (const connection of connections) for (const stanza of stanzas) connection.send(stanza);
  return json({ connections: connections.map(({ record }) => record.id) });
}

function count(call: Call): number {
  const text = call.query.get("count") ?? "";
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new PhoneError(`count: ${JSON.stringify(text)}; expected 1 to 9999`);
  return Number(text);
}

/** The part of web.whatsapp.com/sw.js from which clients read the current version. */
function versionPage(version: string): string {
  const revision = version.split(".")[2] ?? "0";
  const data = JSON.stringify({
    dynamic_data: { SiteData: { server_revision: revision, client_revision: Number(revision) } },
  });
  return `self.__swData=JSON.parse(${JSON.stringify(data)});\n`;
}

const routes: Readonly<Record<string, (call: Call) => Reply | Promise<Reply>>> = {
  "GET /": () => ({ body: "whatsapp simulator: see its README for the endpoints\n" }),
  "GET /root-key": ({ context }) => ({ body: `${context.identity.root.public.toString("hex")}\n` }),
  "GET /ca.pem": ({ options }) => ({ type: "application/x-pem-file", body: options.caPem }),
  "GET /ip": ({ options, source }) => ({ body: `${options.echoIp ?? source}\n` }),
  "GET /sw.js": ({ context }) => ({
    type: "text/javascript",
    body: versionPage(context.director.scenario.currentVersion),
  }),
  "GET /stats": (call) => json(readStats(call.context, optionalDigits(call, "phone"))),
  "GET /messages": (call) => json(call.context.accounts.of(digits(call, "phone")).inbox),
  "GET /scenario": ({ context }) => json(context.director.scenario),
  "PUT /scenario": (call) => {
    const { context, body } = call;
    const phone = optionalDigits(call, "phone");
    if (phone === undefined) context.director.replace(readScenario(body));
    else context.director.replaceFor(phone, readPhoneScenario(body));
    for (const connection of context.online.values()) void connection.staged("open");
    return done;
  },
  "DELETE /scenario": (call) => {
    call.context.director.clear(optionalDigits(call, "phone"));
    return done;
  },
  "POST /stanza": inject,
  "POST /phone/scan": async (call) => {
    await scan(call.context, digits(call, "phone"), call.body);
    return done;
  },
  "POST /phone/code": async (call) => {
    await enterCode(call.context, digits(call, "phone"), call.body);
    return done;
  },
  "POST /phone/refresh-code": (call) => {
    refreshCodes(call.context, digits(call, "phone"), call.query.get("by") === "hand");
    return done;
  },
  "GET /account": ({ context, ...call }) => json(context.accounts.of(digits({ context, ...call }, "phone")).standing),
  "PUT /account": (call) => {
    call.context.accounts.of(digits(call, "phone")).standing = readBody(Standing, call.body);
    return done;
  },
  "POST /phone/unlink": (call) => {
    unlink(call.context, digits(call, "phone"), deviceNumber(call));
    return done;
  },
  "POST /phone/forget": (call) => {
    forgetSessions(call.context, digits(call, "phone"));
    return done;
  },
  "POST /phone/history": async ({ context, body, ...call }) => {
    const account = context.accounts.of(digits({ context, body, ...call }, "phone"));
    return json({ ids: await sendHistory(context, account, readHistory(body)) });
  },
  "POST /phone/keys": (call) => {
    takeKeys(call.context, digits(call, "phone"), count(call));
    return done;
  },
  "POST /phone/message": async (call) =>
    json({ id: await message(call.context, digits(call, "from"), digits(call, "to"), readBody(Letter, call.body)) }),
  "POST /phone/text": async (call) =>
    json({ id: await text(call.context, digits(call, "from"), digits(call, "to"), call.body) }),
};

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > mostBodyBytes) throw new PhoneError(`body: more than ${mostBodyBytes} bytes`);
    chunks.push(part);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function errorReply(error: unknown): Reply {
  if (error instanceof ScenarioError || error instanceof PhoneError) return { status: 400, body: `${error.message}\n` };
  return { status: 500, body: `${String(error)}\n` };
}

/** Serves one control request. */
export async function control(
  context: Context,
  options: ControlOptions,
  exchange: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const { request, response } = exchange;
  const url = new URL(request.url ?? "/", "http://simulator");
  const route = routes[`${request.method ?? ""} ${url.pathname}`];
  const reply = await (async (): Promise<Reply> => {
    if (!route) return { status: 404, body: `no such endpoint; there are: ${Object.keys(routes).join(", ")}\n` };
    return await route({
      context,
      options,
      query: url.searchParams,
      source: sourceOf(request),
      body: await bodyOf(request),
    });
  })().catch(errorReply);
  response
    .writeHead(reply.status ?? 200, { "content-type": reply.type ?? "text/plain; charset=utf-8" })
    .end(reply.body);
}
