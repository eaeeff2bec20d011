import { expect } from "vitest";
import type { Place } from "./bad-input.ts";
import { nodeMember, proxyMember } from "./builders.ts";
import { eventually } from "./eventually.ts";

/** What the proxy wants. */
export const login = { username: "demo", password: "p@ss:w/rd#1" };
/** The row whose session pod the test plays. */
export const talker = "a session pod that does not speak the link's language";

/** Something wrong, where it is told, and how it is mended. */
export interface Row {
  readonly name: string;
  /** Without pods it ends with a place, with them in a code to scan. */
  readonly pods?: "FromTheStart" | "OnceMended";
  /** Device `ann` names pool `eu`. */
  readonly spoil: (place: Place) => Promise<void>;
  readonly reason: string;
  /** Field and value, in the device's Ready condition. */
  readonly says: string;
  /** Where else it stands: kind, reason, and a part of the message. */
  readonly alsoAt: readonly (readonly [kind: "pool" | "endpoint", reason: string, says: string])[];
  /** Every warning of the namespace. */
  readonly warnings: readonly string[];
  readonly mend: (place: Place) => Promise<void>;
}

const ann = async ({ shop }: Place, spec: object = {}) => await shop.applyDevice("ann", spec);
/** A pool whose only member is that proxy, with the login of Secret `login`. */
export const waysThroughProxy = ({ proxyPort }: Place) => ({
  members: [
    proxyMember("px", {
      proxy: { protocol: "socks5", host: "127.0.0.1", port: proxyPort, credentialsSecretRef: { name: "login" } },
    }),
  ],
  startLimits: { registration: { count: 500, period: "10s" } },
});
const field = 'EgressPool "eu" spec.members[name="px"].proxy';

export const rows: readonly Row[] = [
  {
    name: "a pool that does not exist",
    spoil: async (place) => await ann(place),
    reason: "PoolNotFound",
    says: 'spec.egress.pool: no EgressPool "eu" in namespace',
    alsoAt: [],
    warnings: ["WhatsAppDevice/ann PoolNotFound"],
    mend: async ({ shop }) => await shop.applyPool(),
  },
  {
    name: "a pool without members",
    spoil: async (place) => {
      await place.shop.applyPool({ members: [] });
      await ann(place);
    },
    reason: "PoolEmpty",
    says: 'EgressPool "eu": spec.members is empty',
    alsoAt: [["pool", "PoolEmpty", "spec.members is empty"]],
    warnings: ["EgressPool/eu PoolEmpty", "WhatsAppDevice/ann PoolEmpty"],
    mend: async ({ shop }) => await shop.applyPool(),
  },
  {
    name: "a nodeSelector that no node fits",
    spoil: async (place) => {
      await place.shop.applyPool({ members: [nodeMember("it", { nodePool: { nodeSelector: { zone: "rome" } } })] });
      await ann(place);
    },
    reason: "NoEndpoint",
    says: 'EgressPool "eu": no node carries the labels of spec.members[name="it"].nodePool.nodeSelector {"zone":"rome"}',
    alsoAt: [["pool", "NoEndpoint", 'spec.members[name="it"].nodePool.nodeSelector {"zone":"rome"}']],
    warnings: ["EgressPool/eu NoEndpoint", "WhatsAppDevice/ann NoEndpoint"],
    mend: async ({ shop }) =>
      void (await shop.call("PATCH", "/api/v1/nodes/node-a", { metadata: { labels: { zone: "rome" } } })),
  },
  {
    name: "a selector that no endpoint fits",
    spoil: async (place) => {
      await place.shop.applyPool({ members: [proxyMember("px", { labels: { country: "FR" } })] });
      await ann(place, { egress: { pool: "eu", selector: { matchLabels: { country: "IT" } } } });
    },
    reason: "NoEndpointMatches",
    says: 'spec.egress.selector.matchLabels {"country":"IT"}: carried by none of 1 endpoints of EgressPool "eu"',
    alsoAt: [],
    warnings: ["WhatsAppDevice/ann NoEndpointMatches"],
    mend: async ({ shop }) => await shop.applyPool({ members: [proxyMember("px", { labels: { country: "IT" } })] }),
  },
  {
    name: "a capacity that is used up",
    spoil: async (place) => {
      await place.shop.applyPool({ members: [proxyMember("px", { capacity: { maxSessions: 1 } })] });
      await place.shop.applyDevice("first");
      await eventually(async () => {
        expect((await place.shop.device("first")).status.assignment?.endpoint).toBe("eu-px");
      });
      await ann(place);
    },
    reason: "CapacityFull",
    says: 'EgressPool "eu": 1 of 1 places taken on the endpoint that matches; capacity.maxSessions',
    alsoAt: [],
    warnings: ["WhatsAppDevice/ann CapacityFull"],
    mend: async ({ shop }) => await shop.applyPool({ members: [proxyMember("px", { capacity: { maxSessions: 2 } })] }),
  },
  {
    name: "a PriorityClass that does not exist",
    spoil: async (place) => {
      const template = { priorityClassName: "vip" };
      await place.shop.applyPool({ members: [proxyMember()], sessionPods: { template } });
      await ann(place);
    },
    reason: "PodCreateRefused",
    says: 'EgressPool "eu" spec.sessionPods.template.priorityClassName: pods "eu-px-0" is forbidden: no PriorityClass with name vip',
    alsoAt: [
      ["endpoint", "PodCreateRefused", "no PriorityClass with name vip"],
      ["pool", "NoEndpointReady", 'EgressEndpoint "eu-px" PodCreateRefused: '],
    ],
    warnings: ["EgressEndpoint/eu-px PodCreateRefused", "WhatsAppDevice/ann PodCreateRefused"],
    mend: async (place) =>
      await place.create("/apis/scheduling.k8s.io/v1/priorityclasses", { metadata: { name: "vip" }, value: 1 }),
  },
  {
    name: "a Secret for the proxy's login that does not exist",
    pods: "FromTheStart",
    spoil: async (place) => {
      await place.shop.applyPool(waysThroughProxy(place));
      await ann(place);
    },
    reason: "ProxySecretMissing",
    says: `${field}.credentialsSecretRef: Secret "login"`,
    alsoAt: [
      ["endpoint", "ProxySecretMissing", `${field}.credentialsSecretRef: Secret "login"`],
      ["pool", "NoEndpointReady", 'EgressEndpoint "eu-px" ProxySecretMissing: '],
    ],
    warnings: ["EgressEndpoint/eu-px ProxySecretMissing", "WhatsAppDevice/ann ProxySecretMissing"],
    mend: async (place) => await place.applySecret("login", login),
  },
  {
    name: "a Secret without the key of the password",
    pods: "FromTheStart",
    spoil: async (place) => {
      await place.applySecret("login", { username: login.username, pass: login.password });
      await place.shop.applyPool(waysThroughProxy(place));
      await ann(place);
    },
    reason: "ProxySecretKeyMissing",
    says: "the proxy's Secret has no key password",
    alsoAt: [
      ["endpoint", "ProxySecretKeyMissing", `${field}.credentialsSecretRef: Secret "login"`],
      ["pool", "NoEndpointReady", 'EgressEndpoint "eu-px" ProxySecretKeyMissing: '],
    ],
    warnings: ["EgressEndpoint/eu-px ProxySecretKeyMissing", "WhatsAppDevice/ann ProxySecretKeyMissing"],
    mend: async (place) => await place.applySecret("login", login),
  },
  {
    name: talker,
    pods: "OnceMended",
    spoil: async (place) => {
      await place.applySecret("login", login);
      await place.shop.applyPool(waysThroughProxy(place));
      await ann(place);
      const dialer = await place.dial("eu-px-0");
      dialer.say(JSON.stringify({ ...dialer.greeting, version: "one" }));
      await dialer.heard("refused");
    },
    reason: "LinkRefused",
    says: "session pod eu-px-0: BadFrame: frame is not the link's: version: Invalid input: expected number, received string",
    alsoAt: [
      ["endpoint", "LinkRefused", "version: Invalid input: expected number, received string"],
      ["pool", "NoEndpointReady", 'EgressEndpoint "eu-px" LinkRefused: '],
    ],
    warnings: ["EgressEndpoint/eu-px LinkRefused", "WhatsAppDevice/ann LinkRefused"],
    mend: async () => await Promise.resolve(),
  },
];
