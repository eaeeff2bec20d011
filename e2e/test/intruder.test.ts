import { hubAudience, podPaths } from "@wa/schema";
import { expect, it } from "vitest";
import { Intruder } from "../src/intruder.ts";
import { kubectl } from "../src/kubectl.ts";
import { tell } from "./story.ts";

const story = tell("intruder");

it("a pod that somebody else made is not let in, with a token minted for it in the name of the same service account", async () => {
  const { namespace, proxyMember, echoes, phone } = story;
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(6)] });
  await namespace.applyDevice("ann");
  await namespace.link("ann", phone());
  const ours = (await namespace.oneSessionPod()).metadata;
  const intruder = await Intruder.enter(namespace.name, ours.name);

  const token = await intruder.mint(hubAudience);
  expect(await intruder.dial(token, intruder.itself)).toMatchObject({ kind: "refused", reason: "ForeignPod" });
  expect(await intruder.dial(token, ours), "whatever it says it is").toMatchObject({ reason: "ForeignPod" });
  const forAnother = await intruder.mint("vault");
  expect(await intruder.dial(forAnother, intruder.itself)).toMatchObject({ kind: "http", status: 401 });

  // The same dial with a token stolen from our own pod is let in: the refusals are about who dials, not about how.
  const stolen = await kubectl("exec", ours.name, "-n", namespace.name, "--", "cat", podPaths.token);
  expect(await intruder.dial(stolen, ours)).toMatchObject({ kind: "welcome" });
  await namespace.phaseIs("ann", "Connected");
});
