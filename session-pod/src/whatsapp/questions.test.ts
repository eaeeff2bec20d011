import { expect, it } from "vitest";
import { answerTo } from "./questions.ts";

const question = (attrs: Record<string, string>) => ({ tag: "iq", attrs: { id: "7", type: "get", ...attrs } });

it("a ping is answered under its id", () => {
  const ping = question({ xmlns: "urn:xmpp:ping", from: "s.whatsapp.net" });
  expect(answerTo(ping)).toEqual({ tag: "iq", attrs: { to: "s.whatsapp.net", id: "7", type: "result" } });
});

it.each([["urn:xmpp:time"], ["w:unheard-of"], [undefined]])("a question of %s is answered with an error", (xmlns) => {
  const answer = answerTo(question(xmlns === undefined ? {} : { xmlns }));
  expect(answer.attrs).toEqual({ to: "@s.whatsapp.net", id: "7", type: "error" });
  expect(answer.content).toEqual([{ tag: "error", attrs: { code: "501", text: "feature-not-implemented" } }]);
});
