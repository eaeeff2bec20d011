import { describe, expect, it } from "vitest";
import {
  aDevice,
  aLink,
  anEndpoint,
  aPool,
  aRecord,
  aReport,
  assignment,
  aWorld,
  now,
  proxyMember,
} from "../../test/builders.ts";
import { endpointConditions, endpointNotes } from "./endpoint-readiness.ts";
import type { Memory, PodLink } from "./world.ts";

const proxy = { ...proxyMember().proxy, credentialsSecretRef: { name: "login" } };
const pool = aPool({ spec: { members: [proxyMember("px", { proxy })] } });
const endpoint = anEndpoint({ status: { pods: [aRecord()] } });
const guest = (name: string) => aDevice({ name, status: { assignment: assignment() } });

type Reports = readonly (readonly [Parameters<typeof aReport>[1], Parameters<typeof aReport>[2]?])[];

function linkedWith(reports: Reports, over: Partial<PodLink> = {}): PodLink {
  const said = reports.map(([state, more], index) => aReport(guest(`d${index}`), state, more));
  return aLink({ sessions: new Map(said.map((report) => [report.device.uid, report])), ...over });
}

function readyOf(links: readonly PodLink[], memory: Partial<Memory> = {}) {
  const [ready] = endpointConditions(endpoint, [aRecord()], aWorld({ pools: [pool], links, memory }), now);
  return ready;
}

const fault = {
  lastDisconnect: {
    time: "2026-06-01T11:59:00Z",
    cause: "ProxyFault",
    message: "proxy: SOCKS5 handshake failed: AuthenticationFailed",
  },
} as const;

describe("an endpoint is not ready", () => {
  it.each([
    [
      "its proxy's Secret is missing",
      [linkedWith([], { egressProblem: { reason: "ProxySecretMissing", message: "no Secret" } })],
      "ProxySecretMissing",
      'EgressPool "eu" spec.members[name="px"].proxy.credentialsSecretRef: Secret "login" in namespace "shop"',
    ],
    [
      "its proxy carries nobody",
      [linkedWith([["BackingOff", fault], ["Connecting", fault], ["Claiming"]])],
      "ProxyFault",
      'AuthenticationFailed (EgressPool "eu" spec.members[name="px"].proxy: socks5 192.0.2.7 port 1080, credentials of Secret "login")',
    ],
    [
      "the echo cannot be asked, because the proxy carries nobody",
      [linkedWith([["BackingOff", fault]], { egressProblem: { reason: "EchoFailed", message: "no echo" } })],
      "ProxyFault",
      "AuthenticationFailed",
    ],
  ])("because %s", (_case, links, reason, message) => {
    expect(readyOf(links)).toMatchObject({ status: "False", reason, message: expect.stringContaining(message) });
  });

  it("because the API server refuses its pod: in its words, with the field that they come from", () => {
    const refusal = 'pods "eu-px-0" is forbidden: no PriorityClass with name vip was found';
    expect(
      readyOf([], { refusals: new Map([["Pod shop/eu-px-0", { verb: "create", message: refusal }]]) }),
    ).toMatchObject({
      status: "False",
      reason: "PodCreateRefused",
      message: `the API server refuses session pod shop/eu-px-0, made from EgressPool "eu" spec.sessionPods.template.priorityClassName: ${refusal}`,
    });
  });
});

it("an endpoint is not ready because the hub refuses its pod's link", () => {
  const refusal = { reason: "Version", message: "link version 2; this operator speaks 1" };
  expect(readyOf([aLink({ isConnected: false, refusal })])).toMatchObject({
    status: "False",
    reason: "LinkRefused",
    message: `the operator refuses the link of session pod eu-px-0: Version: ${refusal.message}`,
  });
});

describe("an endpoint is ready", () => {
  it.each<[string, Reports]>([
    ["while one session works", [["BackingOff", fault], ["Connected"]]],
    ["while a code that came through it is shown", [["AwaitingPairing", fault]]],
    [
      "while sessions end for another reason",
      [["BackingOff", { lastDisconnect: { ...fault.lastDisconnect, cause: "NetworkLoss" } }]],
    ],
    ["while nobody has tried yet", [["Connecting"]]],
  ])("%s", (_case, reports) => {
    expect(readyOf([linkedWith(reports)])).toMatchObject({ status: "True", reason: "Linked" });
  });
});

it("a trouble is told by one Event when it begins; what passes by itself by none", () => {
  const conditions = (links: readonly PodLink[]) =>
    endpointConditions(endpoint, [aRecord()], aWorld({ pools: [pool], links }), now);
  const broken = { ...endpoint.status, conditions: conditions([linkedWith([["BackingOff", fault]])]) };
  expect(endpointNotes(endpoint, broken).map(({ reason }) => reason)).toEqual(["ProxyFault"]);
  expect(endpointNotes({ ...endpoint, status: broken }, broken)).toEqual([]);
  expect(endpointNotes(endpoint, { ...endpoint.status, conditions: conditions([]) })).toEqual([]);
});

describe("an endpoint that works says of the store", () => {
  const store = { reason: "StoreChanged", message: "works with db-a, and told is db-b" };
  const on = (...links: readonly PodLink[]) => readyOf(links);

  it("which pod works with another one than it was told, and of how many that is true", () => {
    const [one, two] = [linkedWith([], { storeProblem: store }), linkedWith([], { uid: "two", storeProblem: store })];
    expect(on(one)).toMatchObject({
      status: "True",
      reason: "StoreChanged",
      message: "session pod eu-px-0: works with db-a, and told is db-b",
    });
    expect(on(one, two)?.message).toContain("session pod eu-px-0 (and 1 more): works with");
  });

  it("a later pod's word for it by the nearest one that this operator knows", () => {
    const storeProblem = { reason: "StoreSomethingNewer", message: "words" };
    expect(on(linkedWith([], { storeProblem }))).toMatchObject({ status: "True", reason: "StoreChanged" });
  });

  it("nothing while the way out has a fault, or once the pod is gone", () => {
    const egressProblem = { reason: "ProxySecretMissing", message: "no Secret" };
    expect(on(linkedWith([], { storeProblem: store, egressProblem }))).toMatchObject({ reason: "ProxySecretMissing" });
    expect(on(linkedWith([], { storeProblem: store, isConnected: false }))?.reason).not.toBe("StoreChanged");
  });
});
