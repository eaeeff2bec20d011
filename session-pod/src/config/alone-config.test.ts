import { expect, it } from "vitest";
import { ConfigError, parseAloneConfig } from "./alone-config.ts";

const parse = (proxy: string) => parseAloneConfig(["--device", "demo", "--proxy", proxy], {});

it.each([
  ["socks5://u:pa%25ss@h:1080", { username: "u", password: "pa%ss" }],
  ["http://u%40x:p%3A@h", { username: "u@x", password: "p:" }],
  ["http://h", undefined],
])("the login in %s is %j", (proxy, credentials) => {
  expect(parse(proxy)?.proxyCredentials).toEqual(credentials);
});

it.each([
  ["a % that begins nothing", "socks5://u:pa%ss@h:1080"],
  ["a % at the end", "socks5://u%:p@h:1080"],
  ["bytes that are no text", "http://u:p%ff@h"],
  ["another scheme", "ftp://u:pass@h"],
  ["no host", "socks5://"],
])("a proxy's URL with %s is refused by name, and not shown", (_words, proxy) => {
  expect(() => parse(proxy)).toThrow(ConfigError);
  expect(() => parse(proxy)).toThrow(/^--proxy /);
  expect(() => parse(proxy)).not.toThrow(/pa%ss|u:p/);
});
