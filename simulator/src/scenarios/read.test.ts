import { describe, expect, it } from "vitest";
import { readPhoneScenario, readScenario, readStanzas } from "./read.ts";

describe("a scenario is refused with field, value and what is allowed", () => {
  it.each([
    ["no JSON", "{", /^body: not JSON: /],
    ["another type", "[]", "body: []: Invalid input: expected object, received array"],
    ["an unknown field", '{"rule": []}', 'body: {"rule":[]}: Unrecognized key: "rule"'],
    [
      "an unknown stage",
      '{"rules": [{"stage": "login", "action": {"kind": "close"}}]}',
      'rules[0].stage: "login": Invalid option: expected one of "upgrade"|"hello"|"finish"|"typed"|"scanned"|"paired"|"open"|"iq"|"message"|"receipt"|"delivery"|"media"',
    ],
    [
      "an unknown action",
      '{"rules": [{"stage": "finish", "action": {"kind": "explode"}}]}',
      'rules[0].action.kind: "explode": expected one of failure, stream-error, http, iq-error, iq-result, ack-error, send, ping, silence, delay, close, reset, garbage, announce, undecryptable, certificate, broken-zlib, zip-bomb, node-bomb',
    ],
    [
      "no action",
      '{"rules": [{"stage": "finish"}]}',
      "rules[0].action: absent: Invalid input: expected object, received undefined",
    ],
    [
      "a failure before there are keys",
      '{"rules": [{"stage": "hello", "action": {"kind": "failure", "attrs": {}}}]}',
      'rules[0].action.kind: "failure": stage hello allows silence, delay, close, reset, garbage, announce, certificate',
    ],
    [
      "a length that no frame can announce",
      '{"rules": [{"stage": "hello", "action": {"kind": "announce", "bytes": 16777216}}]}',
      "rules[0].action.bytes: 16777216: a frame announces at most 16777215",
    ],
    [
      "an HTTP status after the upgrade",
      '{"rules": [{"stage": "finish", "action": {"kind": "http", "status": 503}}]}',
      'rules[0].action.kind: "http": stage finish allows silence, delay, close, reset, garbage, announce, undecryptable, broken-zlib, zip-bomb, node-bomb, failure, stream-error, send',
    ],
    [
      "a phone where nobody knows it",
      '{"rules": [{"stage": "upgrade", "phone": "4915550001", "action": {"kind": "reset"}}]}',
      'rules[0].phone: "4915550001": nobody knows it at stage upgrade; use sources, or stage finish',
    ],
    [
      "a query's namespace elsewhere",
      '{"rules": [{"stage": "open", "xmlns": "md", "action": {"kind": "reset"}}]}',
      'rules[0].xmlns: "md": only stage iq has queries',
    ],
    [
      "an account that a message goes to, where nothing goes to one",
      '{"rules": [{"stage": "open", "to": "4915550001", "action": {"kind": "reset"}}]}',
      'rules[0].to: "4915550001": only stages message and receipt go to an account',
    ],
    [
      "a header that would end the headers",
      '{"rules": [{"stage": "upgrade", "action": {"kind": "http", "status": 200, "headers": {"a": "b\\r\\n"}}}]}',
      'rules[0].action.headers.a: "b\\r\\n": no header\'s value',
    ],
    [
      "an upgrade that is answered with a switch of protocols",
      '{"rules": [{"stage": "upgrade", "action": {"kind": "http", "status": 101}}]}',
      "rules[0].action.status: 101: Too small: expected number to be >=200",
    ],
    [
      "an attribute of a stanza that is no text",
      '{"rules": [{"stage": "open", "action": {"kind": "send", "stanzas": [{"tag": "a", "content": [{"tag": "b", "attrs": {"t": 5}}]}]}}]}',
      "rules[0].action.stanzas[0].content[0].attrs.t: 5: Invalid input: expected string, received number",
    ],
    [
      "a number as an attribute",
      '{"rules": [{"stage": "finish", "action": {"kind": "failure", "attrs": {"reason": 401}}}]}',
      "rules[0].action.attrs.reason: 401: Invalid input: expected string, received number",
    ],
    [
      "a short version",
      '{"minimumVersion": "2.3000"}',
      'minimumVersion: "2.3000": expected three numbers such as 2.3000.1043857760',
    ],
    [
      "a wrong limit",
      '{"startLimit": {"count": 0, "periodMs": 1000}}',
      "startLimit.count: 0: Too small: expected number to be >=1",
    ],
  ])("%s", (_sentence, text, message) => {
    expect(() => readScenario(text)).toThrow(message);
  });

  it("two faults are two lines", () => {
    expect(() => readScenario('{"minimumVersion": "x", "currentVersion": "y"}')).toThrow(
      /^minimumVersion: .*\ncurrentVersion: /,
    );
  });

  it("an account's own scenario has rules alone", () => {
    expect(() => readPhoneScenario('{"minimumVersion": "2.0.0"}')).toThrow('Unrecognized key: "minimumVersion"');
  });
});

describe("a stanza is refused with field, value and what is allowed", () => {
  const nested = (depth: number): object => (depth === 0 ? { tag: "a" } : { tag: "a", content: [nested(depth - 1)] });

  it.each([
    ["another content", { tag: "a", content: "b" }, '[0].content: "b": expected a list of stanzas, {text} or {base64}'],
    ["no base64", { tag: "a", content: { base64: "%" } }, '[0].content.base64: "%": Invalid base64-encoded string'],
    ["no stanza", [], "body: []: Too small: expected array to have >=1 items"],
    ["a stanza of another field", { tag: "a", children: [] }, 'Unrecognized key: "children"'],
    ["deeper than any real one", nested(32), "stanzas nest at most 32 deep"],
  ])("%s", (_sentence, value, message) => {
    expect(() => readStanzas(JSON.stringify(value))).toThrow(message);
  });

  it("one that nests deeper than the stack, which has no text to be shown", () => {
    const depth = 200_000;
    expect(() => readStanzas("[".repeat(depth) + "]".repeat(depth))).toThrow("[0]: a value that nests too deep");
    const stanza = `${'{"tag":"a","content":['.repeat(depth)}${"]}".repeat(depth)}`;
    expect(() => readStanzas(stanza)).toThrow("stanzas nest at most 32 deep");
  });

  it("one and a list of one are the same", () => {
    const stanza = { tag: "a", attrs: {}, content: [{ tag: "b", attrs: { t: "5" }, content: { text: "c" } }] };
    expect(readStanzas(JSON.stringify(stanza))).toEqual([stanza]);
    expect(readStanzas(JSON.stringify([stanza]))).toEqual([stanza]);
  });
});

it("an empty scenario is a server that works", () => {
  expect(readScenario("{}")).toMatchObject({ rules: [], minimumVersion: "0.0.0", blockedSources: [] });
});
