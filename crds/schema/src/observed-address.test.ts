import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressBlock, observedAddress } from "./observed-address.ts";

describe("an address that was seen", () => {
  it.each([
    ["IPv4 stays as it is", "198.51.100.1", "198.51.100.1"],
    ["white space around it is an echo's", " 198.51.100.1\n", "198.51.100.1"],
    ["IPv4 mapped into IPv6 is that IPv4", "::ffff:198.51.100.1", "198.51.100.1"],
    ["written in hexadecimal too", "::ffff:c633:6401", "198.51.100.1"],
    ["written in full too", "0:0:0:0:0:FFFF:198.51.100.1", "198.51.100.1"],
    ["IPv6 is lower case and shortest", "2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
    ["a zone is left out", "fe80::1%eth0", "fe80::1"],
    ["text is none", "shop/victim-endpoint", undefined],
    ["nothing is none", "", undefined],
    ["a number is none, though some take it for one", "3325256705", undefined],
    ["octal and hexadecimal parts are none", "0306.0x33.100.1", undefined],
    ["two parts are none", "127.1", undefined],
    ["a prefix is none", "2001:db8::/64", undefined],
    ["with a port it is none", "198.51.100.1:443", undefined],
    ["in brackets it is none", "[2001:db8::1]", undefined],
    ["a zone alone is none", "%eth0", undefined],
    ["nobody's is none", "0.0.0.0", undefined],
    ["nobody's is none in IPv6", "::", undefined],
    ["nobody's is none when it is mapped", "::ffff:0.0.0.0", undefined],
    ["everybody's is none", "255.255.255.255", undefined],
    ["a group's is none", "ff02::1", undefined],
    ["a megabyte is none", ":".repeat(1_000_000), undefined],
  ])("%s", (_sentence, text, address) => {
    expect(observedAddress(text)).toBe(address);
  });

  it("is its own canonical form, whatever way it was written", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = observedAddress(text);
        if (address === undefined) return;
        expect(observedAddress(address)).toBe(address);
        expect(observedAddress(text.toUpperCase())).toBe(address);
      }),
    );
  });
});

describe("a budget is shared", () => {
  const blockOf = (text: string): string | undefined => {
    const address = observedAddress(text);
    return address === undefined ? undefined : addressBlock(address);
  };

  it.each([
    ["by nobody else's IPv4", "198.51.100.1", "198.51.100.1"],
    ["by no other IPv4 that came mapped", "::ffff:203.0.113.9", "203.0.113.9"],
    ["by a /64 of IPv6", "2001:db8::abcd", "2001:db8:0:0::/64"],
    ["by a /64 of IPv6 whose parts are all there", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["by a /64 whose first part is nothing", "::1:2:3:4:5", "0:0:0:1::/64"],
  ])("%s", (_sentence, text, block) => {
    expect(blockOf(text)).toBe(block);
  });
});
