import ipaddr from "ipaddr.js";
import { z } from "zod";

/** An IP address that an outside server saw, in the one form in which it is compared, stored and counted. */
export const ObservedAddress = z.string().brand<"ObservedAddress">();
export type ObservedAddress = z.infer<typeof ObservedAddress>;

/** The longest text of an IPv6 address has 45 characters, its zone aside. */
const mostCharacters = 64;

/** Ranges that no connection is seen to come from. */
const never: ReadonlySet<string> = new Set(["unspecified", "broadcast", "multicast"]);

/**
 * Canonical form of an address (RFC 5952): four decimal parts for IPv4, also where it came mapped into IPv6 (RFC 4291, 2.5.5.2), since
 * it is the same way out; lower case and shortest for IPv6, without the zone, which means something on the machine that wrote
 * it alone. Undefined: the text is no address that a connection can come from.
 */
export function observedAddress(text: string): ObservedAddress | undefined {
  const trimmed = text.trim();
  if (trimmed.length > mostCharacters) return undefined;
  if (ipaddr.IPv4.isValidFourPartDecimal(trimmed)) return canonical(ipaddr.IPv4.parse(trimmed));
  const [address = ""] = trimmed.split("%");
  if (!ipaddr.IPv6.isValid(address)) return undefined;
  const parsed = ipaddr.IPv6.parse(address);
  return canonical(parsed.isIPv4MappedAddress() ? parsed.toIPv4Address() : parsed);
}

const canonical = (address: ipaddr.IPv4 | ipaddr.IPv6): ObservedAddress | undefined =>
  never.has(address.range()) ? undefined : ObservedAddress.parse(address.toString());

const networkParts = 4;

/** What shares a budget: the address itself for IPv4, its /64 for IPv6, because a machine has all of one. */
export function addressBlock(address: ObservedAddress): string {
  if (ipaddr.IPv4.isValid(address)) return address;
  const { parts } = ipaddr.IPv6.parse(address);
  return `${parts
    .slice(0, networkParts)
    .map((part) => part.toString(16))
    .join(":")}::/64`;
}
