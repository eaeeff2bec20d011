import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { proto } from "@whiskeysockets/baileys";
import type { ServerIdentity } from "./certificates.ts";
import { agree, hkdf, newKeyPair, type KeyPair } from "./curve.ts";
import { ProtocolError } from "./frames.ts";

/** Noise_XX_25519_AESGCM_SHA256 as the responder. The name is exactly 32 bytes, so it is the first hash itself. */
const protocolName = Buffer.from("Noise_XX_25519_AESGCM_SHA256\0\0\0\0", "latin1");
const header = Buffer.from([0x57, 0x41, 6, 3]);
const tagBytes = 16;

const iv = (counter: number): Buffer => {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(counter, 8);
  return bytes;
};

function seal(key: Uint8Array, counter: number, plain: Uint8Array, aad: Uint8Array): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, iv(counter)).setAAD(aad);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function open(key: Uint8Array, counter: number, sealed: Uint8Array, aad: Uint8Array): Buffer {
  if (sealed.length < tagBytes) throw new ProtocolError(`ciphertext of ${sealed.length} bytes is shorter than its tag`);
  const decipher = createDecipheriv("aes-256-gcm", key, iv(counter)).setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - tagBytes)), decipher.final()]);
}

/** Encryption after the handshake: one key and one counter a direction. */
export class Transport {
  #received = 0;
  #sent = 0;
  readonly #readKey: Buffer;
  readonly #writeKey: Buffer;

  constructor(readKey: Buffer, writeKey: Buffer) {
    this.#readKey = readKey;
    this.#writeKey = writeKey;
  }

  encrypt(plain: Uint8Array): Buffer {
    return seal(this.#writeKey, this.#sent++, plain, Buffer.alloc(0));
  }

  decrypt(sealed: Uint8Array): Buffer {
    return open(this.#readKey, this.#received++, sealed, Buffer.alloc(0));
  }
}

/** One handshake; `serverHello` then `finish`, in that order. Wrong input throws. */
export class Handshake {
  readonly #identity: ServerIdentity;
  readonly #ephemeral: KeyPair;
  #hash: Buffer = protocolName;
  #salt: Buffer = protocolName;
  #key: Buffer = protocolName;
  #counter = 0;

  constructor(identity: ServerIdentity, ephemeral: KeyPair = newKeyPair()) {
    this.#identity = identity;
    this.#ephemeral = ephemeral;
    this.#mixHash(header);
  }

  /** @param certificateChain in place of the server's own, for clients that are to refuse it */
  serverHello(clientHelloFrame: Uint8Array, certificateChain = this.#identity.certificateChain): Buffer {
    const clientEphemeral = proto.HandshakeMessage.decode(clientHelloFrame).clientHello?.ephemeral;
    if (clientEphemeral?.length !== 32) throw new ProtocolError("clientHello has no 32-byte ephemeral key");
    this.#mixHash(clientEphemeral);
    this.#mixHash(this.#ephemeral.public);
    this.#mixKey(agree(this.#ephemeral.private, clientEphemeral));
    const sealedStatic = this.#seal(this.#identity.noiseStatic.public);
    this.#mixKey(agree(this.#identity.noiseStatic.private, clientEphemeral));
    const payload = this.#seal(certificateChain);
    const serverHello = { ephemeral: this.#ephemeral.public, static: sealedStatic, payload };
    return Buffer.from(proto.HandshakeMessage.encode({ serverHello }).finish());
  }

  /** The client's static key, its payload, and the transport that follows. */
  finish(clientFinishFrame: Uint8Array): { clientStatic: Buffer; payload: Buffer; transport: Transport } {
    const finish = proto.HandshakeMessage.decode(clientFinishFrame).clientFinish;
    if (!finish?.static || !finish.payload) throw new ProtocolError("clientFinish lacks static key or payload");
    const clientStatic = this.#open(finish.static);
    this.#mixKey(agree(this.#ephemeral.private, clientStatic));
    const payload = this.#open(finish.payload);
    const keys = hkdf(Buffer.alloc(0), 64, { salt: this.#salt });
    return { clientStatic, payload, transport: new Transport(keys.subarray(0, 32), keys.subarray(32)) };
  }

  #mixHash(data: Uint8Array): void {
    this.#hash = createHash("sha256").update(this.#hash).update(data).digest();
  }

  #mixKey(input: Uint8Array): void {
    const keys = hkdf(input, 64, { salt: this.#salt });
    this.#salt = keys.subarray(0, 32);
    this.#key = keys.subarray(32);
    this.#counter = 0;
  }

  #seal(plain: Uint8Array): Buffer {
    const sealed = seal(this.#key, this.#counter++, plain, this.#hash);
    this.#mixHash(sealed);
    return sealed;
  }

  #open(sealed: Uint8Array): Buffer {
    const plain = open(this.#key, this.#counter++, sealed, this.#hash);
    this.#mixHash(sealed);
    return plain;
  }
}
