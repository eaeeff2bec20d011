import { hubAudience } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { judge } from "./token-reviews.ts";

const pod = { "authentication.kubernetes.io/pod-name": ["px-0"], "authentication.kubernetes.io/pod-uid": ["u"] };
const vouched = {
  authenticated: true,
  audiences: [hubAudience],
  error: "",
  user: { username: "system:serviceaccount:shop:default", extra: pod },
};

it("the API server's word for a service account's pod and our audience is believed", () => {
  expect(judge(vouched)).toEqual({ namespace: "shop", name: "px-0", uid: "u" });
});

describe("an answer is not enough", () => {
  const user = (over: object) => ({ ...vouched, user: { ...vouched.user, ...over } });
  it.each([
    ["that says no", { ...vouched, authenticated: false, error: "expired" }, "does not accept the token: expired"],
    [
      "of a server that does not look at audiences",
      { ...vouched, audiences: [] },
      "does not say that the token is for",
    ],
    ["for another audience", { ...vouched, audiences: ["vault"] }, "does not say that the token is for"],
    ["about a person who calls himself a pod", user({ username: "eve" }), "not bound to a pod"],
    ["about a person with colons", user({ username: "oidc:system:serviceaccount:shop:x" }), "not bound to a pod"],
    ["about a token of no pod", user({ extra: {} }), "not bound to a pod"],
    ["without the pod's UID", user({ extra: { ...pod, "authentication.kubernetes.io/pod-uid": [] } }), "not bound"],
  ])("%s", (_case, status, fault) => {
    expect(judge(status)).toContain(fault);
  });
});
