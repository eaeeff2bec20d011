import { randomBytes } from "node:crypto";
import { z } from "zod";
import { isAlreadyExists } from "../kube/api-error.ts";
import { defineKind } from "../kube/kind.ts";
import { resource } from "../kube/resource.ts";
import type { Transport } from "../kube/transport.ts";

/** `core/v1` Secret: read and created by name, never listed or watched, never changed. */
const secretKind = defineKind({
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  isNamespaced: true,
  schema: z.object({ data: z.record(z.string(), z.string()).default({}) }),
});

/** Values of a Secret, as text. */
export type SecretTexts = Readonly<Record<string, string>>;

const textsOf = ({ data }: ReturnType<typeof secretKind.parse>): SecretTexts =>
  Object.fromEntries(
    Object.entries(data).map(([key, base64]) => [key, Buffer.from(base64, "base64").toString("utf8")]),
  );

/** Undefined where there is none of this name. */
export async function findSecret(
  transport: Transport,
  place: { readonly namespace: string; readonly name: string },
): Promise<SecretTexts | undefined> {
  const found = await resource(transport, secretKind).get(place);
  return found && textsOf(found);
}

/** A value of a Secret that has to be there already, without the newline that a file of it ends with. @throws an error that names it and the key, never a value. */
export async function readSecretKey(
  transport: Transport,
  place: { readonly namespace: string; readonly name: string; readonly key: string },
): Promise<string> {
  const { namespace, name, key } = place;
  const texts = await findSecret(transport, { namespace, name });
  if (texts === undefined) throw new Error(`Secret ${namespace}/${name} does not exist; it must hold the key ${key}`);
  const value = texts[key]?.trim();
  if (value === undefined) throw new Error(`Secret ${namespace}/${name} has no key ${key}`);
  if (value === "") throw new Error(`Secret ${namespace}/${name} holds nothing under its key ${key}`);
  return value;
}

/**
 * A Secret of the installation, made when it is absent and never overwritten: what it holds outlives an uninstall, so that
 * a second installation finds its devices' credentials readable. Two leaders at once agree on the one that came first.
 */
export async function ensureSecret(
  transport: Transport,
  place: { readonly namespace: string; readonly name: string },
  make: () => SecretTexts | Promise<SecretTexts>,
): Promise<SecretTexts> {
  const secrets = resource(transport, secretKind);
  const found = await findSecret(transport, place);
  if (found !== undefined) return found;
  const labels = { "app.kubernetes.io/managed-by": "whatsapp-operator" };
  try {
    return textsOf(await secrets.create({ metadata: { ...place, labels }, type: "Opaque", stringData: await make() }));
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    return textsOf(secretKind.parse(await secrets.get(place)));
  }
}

/** A password without characters that a URL or a shell would have to quote. */
export const newPassword = (): string => randomBytes(24).toString("base64url");
