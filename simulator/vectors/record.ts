/**
 * Records one handshake of a real client with known server keys, for the unit test of the Noise responder.
 * `npm run --silent -w simulator record baileys > simulator/vectors/baileys.json`, or whatsmeow once its test has built it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocketServer, type WebSocket } from "ws";
import { BaileysClient, newMemory, trustRoot } from "../test/baileys-client.ts";
import { newServerIdentity } from "../src/wire/certificates.ts";
import { newKeyPair } from "../src/wire/curve.ts";
import { frame, FrameReader } from "../src/wire/frames.ts";
import { encodeNode, node, server } from "../src/wire/nodes.ts";
import { Handshake } from "../src/wire/noise.ts";

const identity = newServerIdentity(Date.now() / 1_000);
const ephemeral = newKeyPair();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

async function record(socket: WebSocket): Promise<Record<string, unknown>> {
  const reader = new FrameReader();
  const bytes: string[] = [];
  const frames: Buffer[] = [];
  const next = async (): Promise<Buffer> => {
    while (frames.length === 0) {
      const [data] = await once(socket, "message");
      bytes.push(hex(data));
      frames.push(...reader.push(data).frames);
    }
    return frames.shift() ?? Buffer.alloc(0);
  };
  const handshake = new Handshake(identity, ephemeral);
  const clientHello = await next();
  const serverHello = handshake.serverHello(clientHello);
  socket.send(frame(serverHello));
  const clientFinish = await next();
  const { clientStatic, payload, transport } = handshake.finish(clientFinish);
  const ping = encodeNode(
    node("iq", { from: server, type: "set", id: "1", xmlns: "md" }, [
      node("pair-device", {}, [node("ref", {}, Buffer.from("2@recorded"))]),
    ]),
  );
  const sealed = transport.encrypt(ping);
  socket.send(frame(sealed));
  const answer = await next();
  return {
    root: { public: hex(identity.root.public), private: hex(identity.root.private) },
    noiseStatic: { public: hex(identity.noiseStatic.public), private: hex(identity.noiseStatic.private) },
    ephemeral: { public: hex(ephemeral.public), private: hex(ephemeral.private) },
    certificateChain: hex(identity.certificateChain),
    received: bytes,
    clientHello: hex(clientHello),
    serverHello: hex(serverHello),
    clientFinish: hex(clientFinish),
    clientStatic: hex(clientStatic),
    payload: hex(payload),
    sent: { plain: hex(ping), sealed: hex(sealed) },
    answered: { sealed: hex(answer), plain: hex(transport.decrypt(answer)) },
  };
}

const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
await once(sockets, "listening");
const address = sockets.address();
if (address === null || typeof address === "string") throw new Error("no port");
const at = `127.0.0.1:${address.port}`;
const connected = once(sockets, "connection");
const folder = mkdtempSync(join(tmpdir(), "record-"));
if (process.argv[2] === "baileys") {
  trustRoot(hex(identity.root.public));
  void new BaileysClient(`ws://${at}/ws/chat`, newMemory());
} else {
  const flags = ["-url", `http://${at}`, "-root", hex(identity.root.public), "-db", join(folder, "store")];
  spawn(join(import.meta.dirname, "../../.cache/whatsmeow-client/client"), flags, { stdio: ["pipe", "ignore", "inherit"] });
}
const [socket] = await connected;
const recorded = await record(socket);
process.stdout.write(`${JSON.stringify(recorded, undefined, 1)}\n`);
rmSync(folder, { recursive: true });
process.exit(0);
