import { answerCodePairing } from "../phone/code-pairing.ts";
import { bytesOf, childOf, childrenOf, node, preKeyIn, uintBytes, type Node } from "../wire/nodes.ts";
import { takeBundle } from "./bundles.ts";
import type { Connection } from "./connection.ts";
import { ratchetOf, type Context } from "./context.ts";
import { conflict, iqResult } from "./replies.ts";
import { lidJid, parseAddress, phoneJid, type Account, type Address } from "./world.ts";

type Answer = Node[] | undefined | "answered";
type Answerer = (connection: Connection, child: Node | undefined, iq: Node) => Answer | Promise<Answer>;

/** `type xmlns child` → content of the result; what is not listed gets an empty one, which clients accept. */
const answers: Readonly<Record<string, Answerer>> = {
  "get encrypt count": (connection) => [
    node("count", { value: String(connection.loggedIn?.device.preKeys.size ?? 0) }),
  ],
  "get encrypt digest": () => [node("digest", {}, [])],
  "get encrypt key": (connection, child) => [
    node(
      "list",
      {},
      childrenOf(child, "user").flatMap((user) => bundleNode(connection.context, user.attrs["jid"])),
    ),
  ],
  "set encrypt registration": (connection, _child, iq) => storePreKeys(connection, iq),
  "set encrypt rotate": (connection, child) => rotateSignedPreKey(connection, child),
  "get abt props": () => [node("props", { hash: "0" }, [node("prop", { config_code: "1", config_value: "0" })])],
  "get blocklist": () => [node("list", {}, [])],
  "get privacy privacy": () => [node("privacy", {}, [node("category", { name: "readreceipts", value: "all" })])],
  "get usync usync": (connection, child) => usync(connection.context, child),
  "set w:m media_conn": () => [
    node("media_conn", { auth: "none", ttl: "3600" }, [node("host", { hostname: "localhost" })]),
  ],
  "set w:sync:app:state sync": (_connection, child) => syncCollections(child),
  "set md remove-companion-device": (connection, child, iq) => removeCompanion(connection, child, iq),
  "set md link_code_companion_reg": (connection, child) => answerCodePairing(connection, child),
};

export async function answerQuery(connection: Connection, iq: Node): Promise<Answer> {
  const child = childrenOf(iq)[0];
  const key = `${iq.attrs["type"] ?? ""} ${iq.attrs["xmlns"] ?? ""}${child === undefined ? "" : ` ${child.tag}`}`;
  return await answers[key]?.(connection, child, iq);
}

function storePreKeys(connection: Connection, iq: Node): Answer {
  if (!connection.loggedIn) return undefined;
  const { device, name } = connection.loggedIn;
  const keys = childrenOf(childOf(iq, "list"), "key").map(preKeyIn);
  for (const key of keys) device.preKeys.set(key.id, key.public);
  const registrationId = bytesOf(childOf(iq, "registration"));
  if (registrationId.length === 4) device.registrationId = registrationId.readUInt32BE();
  const signed = childOf(iq, "skey");
  if (signed) device.signedPreKey = preKeyIn(signed);
  connection.context.counters.device(name).preKeysUploaded += keys.length;
  return undefined;
}

function rotateSignedPreKey(connection: Connection, rotate: Node | undefined): Answer {
  const signed = childOf(rotate, "skey");
  if (signed && connection.loggedIn) connection.loggedIn.device.signedPreKey = preKeyIn(signed);
  return undefined;
}

function bundleNode(context: Context, jid: string | undefined): Node[] {
  const address = parseAddress(jid);
  const bundle = address && takeBundle(context, context.accounts.of(address.phone), address.device);
  if (!bundle) return [];
  const key = (tag: string, id: number, value: Buffer, signature?: Buffer) =>
    node(tag, {}, [
      node("id", {}, uintBytes(id, 3)),
      node("value", {}, value),
      ...(signature ? [node("signature", {}, signature)] : []),
    ]);
  return [
    node("user", { jid }, [
      node("registration", {}, uintBytes(bundle.registrationId, 4)),
      node("type", {}, Buffer.from([5])),
      node("identity", {}, bundle.identity),
      key("skey", bundle.signed.id, bundle.signed.public, bundle.signed.signature),
      ...(bundle.preKey ? [key("key", bundle.preKey.id, bundle.preKey.public)] : []),
    ]),
  ];
}

/** The address a usync query is about: in the jid attribute, or as a contact's number. */
function asked(user: Node): Address | undefined {
  const contact = bytesOf(childOf(user, "contact")).toString("utf8").replace(/\D/g, "");
  return parseAddress(user.attrs["jid"]) ?? (contact === "" ? undefined : { phone: contact, device: 0, isLid: false });
}

/** Numbers of Brazil are known with and without their ninth digit: the server answers with the account's own. */
function knownAccount(context: Context, phone: string): Account {
  const account = context.accounts.of(phone);
  const { knownAs } = account.standing;
  return knownAs === undefined ? account : context.accounts.of(knownAs);
}

function usync(context: Context, query: Node | undefined): Node[] {
  const protocols = childrenOf(childOf(query, "query")).map((item) => item.tag);
  const users = childrenOf(childOf(query, "list"), "user").flatMap((user) => {
    const address = asked(user);
    if (!address) return [];
    const account = knownAccount(context, address.phone);
    const jid = address.isLid ? lidJid(account.phone) : phoneJid(account.phone);
    const question = bytesOf(childOf(user, "contact"));
    return [
      node(
        "user",
        { jid },
        protocols.flatMap((protocol) => usyncPart(account, protocol, question)),
      ),
    ];
  });
  return [
    node("usync", { ...query?.attrs }, [
      node(
        "result",
        {},
        protocols.map((protocol) => node(protocol)),
      ),
      node("list", {}, users),
    ]),
  ];
}

function usyncPart(account: Account, protocol: string, question: Buffer): Node[] {
  const { isRegistered } = account.standing;
  switch (protocol) {
    case "devices": {
      if (!isRegistered) return [node("devices", {}, [node("device-list", {}, [])])];
      const companions = [...account.devices.values()].map((device) =>
        node("device", { id: String(device.id), "key-index": String(device.keyIndex) }),
      );
      return [node("devices", {}, [node("device-list", {}, [node("device", { id: "0" }), ...companions])])];
    }
    case "lid":
      return isRegistered ? [node("lid", { val: lidJid(account.phone) })] : [];
    case "contact":
      return [node("contact", { type: isRegistered ? "in" : "out" }, question.length === 0 ? undefined : question)];
    default:
      return [];
  }
}

function syncCollections(sync: Node | undefined): Answer {
  const collections = childrenOf(sync, "collection").map((item) =>
    node("collection", { name: item.attrs["name"], version: item.attrs["version"], type: "result" }),
  );
  return [node("sync", {}, collections)];
}

/** Logout: the device is gone for good; the client is told by an ended stream. */
function removeCompanion(connection: Connection, child: Node | undefined, iq: Node): Answer {
  connection.send(iqResult(iq.attrs["id"]));
  const address = parseAddress(child?.attrs["jid"]);
  const account = connection.loggedIn?.account;
  if (account && address && address.phone === account.phone) {
    connection.context.counters.device(`${account.phone}:${address.device}`).logouts += 1;
    removeDevice(connection.context, account, address.device);
  }
  return "answered";
}

/** Forgets a device and ends its connection, whoever asked for it. */
export function removeDevice(context: Context, account: Account, deviceId: number): boolean {
  if (!account.devices.delete(deviceId)) return false;
  account.removedDevices.push(deviceId);
  ratchetOf(context, account).forget(`${account.phone}:${deviceId}`);
  context.online.get(`${account.phone}:${deviceId}`)?.refuse(conflict("device_removed"));
  return true;
}
