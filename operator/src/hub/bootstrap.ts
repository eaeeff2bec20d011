import { randomBytes } from "node:crypto";
import { masterKeyBytes, parseMasterKey } from "@wa/schema";
import { ensureSecret, findSecret, newPassword, readSecretKey, type SecretTexts } from "../act/bootstrap-secrets.ts";
import type { Transport } from "../kube/transport.ts";
import { newAuthority, type Authority } from "./certificates.ts";

/** Names of what the first start makes, and where the store's URL comes from. */
export interface BootstrapNames {
  readonly namespace: string;
  readonly masterKeySecret: string;
  readonly hubCaSecret: string;
  readonly store:
    | { readonly kind: "Url"; readonly secret: string; readonly key: string }
    | {
        readonly kind: "OwnDatabase";
        readonly secret: string;
        readonly host: string;
        readonly port: number;
        readonly database: string;
        readonly user: string;
      };
}

export interface Installation {
  readonly masterKey: Uint8Array;
  readonly authority: Authority;
  readonly storeUrl: string;
}

/** Reads the installation's Secrets, and makes master key, hub CA and the own database's password at the first start. */
export async function prepareInstallation(transport: Transport, names: BootstrapNames): Promise<Installation> {
  const { namespace } = names;
  const key = await ensureSecret(transport, { namespace, name: names.masterKeySecret }, () => ({
    key: randomBytes(masterKeyBytes).toString("base64"),
  }));
  const ca = await ensureSecret(transport, { namespace, name: names.hubCaSecret }, async () => {
    const { certificatePem, keyPem } = await newAuthority();
    return { "tls.crt": certificatePem, "tls.key": keyPem };
  });
  return {
    masterKey: parseMasterKey(key["key"] ?? ""),
    authority: authorityIn(ca),
    storeUrl: await firstStoreUrl(transport, names),
  };
}

const authorityIn = (texts: SecretTexts): Authority => ({
  certificatePem: texts["tls.crt"] ?? "",
  keyPem: texts["tls.key"] ?? "",
});

/** The hub's CA; undefined before the first leader made it. */
export async function findAuthority(
  transport: Transport,
  place: { readonly namespace: string; readonly name: string },
): Promise<Authority | undefined> {
  const texts = await findSecret(transport, place);
  return texts && authorityIn(texts);
}

/** The store's URL as its Secret says now; makes nothing. @throws an error that names Secret and key */
export async function readStoreUrl(
  transport: Transport,
  { namespace, store }: Pick<BootstrapNames, "namespace" | "store">,
): Promise<string> {
  if (store.kind === "Url") return await readSecretKey(transport, { namespace, name: store.secret, key: store.key });
  return ownUrl(store, await readSecretKey(transport, { namespace, name: store.secret, key: "password" }));
}

async function firstStoreUrl(transport: Transport, { namespace, store }: BootstrapNames): Promise<string> {
  if (store.kind === "OwnDatabase")
    await ensureSecret(transport, { namespace, name: store.secret }, () => ({ password: newPassword() }));
  return await readStoreUrl(transport, { namespace, store });
}

function ownUrl(
  { host, port, database, user }: Extract<BootstrapNames["store"], { kind: "OwnDatabase" }>,
  password: string,
): string {
  return `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${host}:${port}/${encodeURIComponent(database)}`;
}
