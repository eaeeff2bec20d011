import { hubAudience } from "@wa/schema";
import { z } from "zod";
import type { Transport } from "../src/kube/transport.ts";

const TokenAnswer = z.object({ status: z.object({ token: z.string() }) });

/** A token bound to a pod object, as the kubelet would project it. */
export async function podToken(
  transport: Transport,
  { namespace, name, uid }: { readonly namespace: string; readonly name: string; readonly uid: string },
  audience: string = hubAudience,
): Promise<string> {
  const boundObjectRef = { kind: "Pod", apiVersion: "v1", name, uid };
  const body = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { audiences: [audience], boundObjectRef },
  };
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`;
  return TokenAnswer.parse(await transport.call({ method: "POST", path, body })).status.token;
}
