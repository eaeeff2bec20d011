import { PoolMember, SessionPodTemplate } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { aNodeEndpoint, anEndpoint, nodeMember, proxyMember, settings } from "../../test/builders.ts";
import { asLabelValue, buildSessionPod, bytesOf, type SessionPodInput } from "./session-pod.ts";

const input = (over: Partial<SessionPodInput> = {}): SessionPodInput => ({
  endpoint: aNodeEndpoint(),
  member: PoolMember.parse(nodeMember()),
  template: SessionPodTemplate.parse({}),
  settings,
  name: "eu-fr-aabbccdd-0",
  nonce: "nonce-1",
  ...over,
});

const proxied = (over: Partial<SessionPodInput> = {}): SessionPodInput => {
  const credentialsSecretRef = { name: "px-login", usernameKey: "username", passwordKey: "password" };
  const member = PoolMember.parse(proxyMember("px", { proxy: { ...proxyMember().proxy, credentialsSecretRef } }));
  return input({ endpoint: anEndpoint(), member, name: "eu-px-0", ...over });
};

const template = SessionPodTemplate.parse({
  resources: { requests: { cpu: "100m", memory: "200Mi" }, limits: { memory: "1Gi" } },
  labels: { team: "crm" },
  annotations: { "example.org/note": "x" },
  tolerations: [{ key: "dedicated", operator: "Equal", value: "wa", effect: "NoSchedule" }],
  priorityClassName: "business",
});

it.each([
  ["on a node", "session-pod-node", input()],
  ["by a proxy with credentials", "session-pod-proxy", proxied()],
  ["with the user's template", "session-pod-template", input({ template })],
])("%s", async (_case, file, given) => {
  await expect(stringify(buildSessionPod(given))).toMatchFileSnapshot(`golden/${file}.yaml`);
});

describe("template hash", () => {
  const hashOf = (given: SessionPodInput) =>
    buildSessionPod(given).metadata.annotations["whatsapp-operator.io/template-hash"];

  it("does not see the hub's CA or the nonce", () => {
    const other = input({ nonce: "nonce-2", settings: { ...settings, hubCaPem: "another" } });
    expect(hashOf(other)).toBe(hashOf(input()));
  });

  it("sees the image and the template", () => {
    const hashes = [
      input(),
      input({ template }),
      input({ settings: { ...settings, sessionImage: "registry.example/session-pod:2" } }),
    ].map(hashOf);
    expect(new Set(hashes).size).toBe(3);
  });
});

it("a template cannot overrule our labels or the nonce", () => {
  const rogue = SessionPodTemplate.parse({
    labels: { "whatsapp-operator.io/endpoint": "another" },
    annotations: { "whatsapp-operator.io/nonce": "guessed" },
  });
  const { labels, annotations } = buildSessionPod(input({ template: rogue })).metadata;
  expect(labels["whatsapp-operator.io/endpoint"]).toBe("eu-fr-aabbccdd");
  expect(annotations["whatsapp-operator.io/nonce"]).toBe("nonce-1");
});

it("credentials follow the member, the address stays the endpoint's", () => {
  const without = proxied({ member: PoolMember.parse(proxyMember()) });
  expect(buildSessionPod(without).spec.volumes?.map(({ name }) => name)).not.toContain("proxy");
});

it.each([
  ["short", "eu-fr", "eu-fr"],
  ["63", "a".repeat(63), "a".repeat(63)],
])("label value of a %s name is the name", (_case, name, value) => {
  expect(asLabelValue(name)).toBe(value);
});

it("label value of a longer name has 63 characters and tells names apart", () => {
  const [one, other] = [`${"a".repeat(70)}1`, `${"a".repeat(70)}2`].map(asLabelValue);
  expect(one).toHaveLength(63);
  expect(one).not.toBe(other);
});

it.each([
  ["512Mi", 536_870_912],
  ["1.5Gi", 1_610_612_736],
  ["200M", 200_000_000],
  ["1000", 1000],
])("%s is %i bytes", (quantity, bytes) => {
  expect(bytesOf(quantity)).toBe(bytes);
});
