import { describe, expect, it } from "vitest";
import { stageOf } from "./linking.ts";

const notification = (type: string | undefined, step?: { stage?: string; children: readonly string[] }) => ({
  tag: "notification",
  attrs: { id: "7", ...(type !== undefined && { type }) },
  ...(step && {
    content: [
      {
        tag: "link_code_companion_reg",
        attrs: { ...(step.stage !== undefined && { stage: step.stage }) },
        content: step.children.map((tag) => ({ tag, attrs: {} })),
      },
    ],
  }),
});
const key = "link_code_pairing_wrapped_primary_ephemeral_pub";
const byCode = "link_code_companion_reg";

describe("a step of linking", () => {
  it.each([
    [
      "with the phone's key is the library's",
      notification(byCode, { stage: "primary_hello", children: [key] }),
      undefined,
    ],
    ["without a stage, with the key, is too", notification(byCode, { children: [key] }), undefined],
    [
      "without the key is not",
      notification(byCode, { stage: "primary_hello", children: [] }),
      "primary_hello without a key",
    ],
    ["without anything is not", notification(byCode), "primary_hello without a key"],
    ["of another stage has its name", notification(byCode, { stage: "refresh_code", children: [] }), "refresh_code"],
    ["of another kind has that kind's", notification("passkey_prologue_request"), "passkey_prologue_request"],
    ["of no kind says so", notification(undefined), "a notification without a type"],
  ])("%s", (_what, stanza, stage) => {
    expect(stageOf(stanza)).toBe(stage);
  });
});
