import { z } from "zod";

const name = z.string().min(1).max(253);

/** Environment of the uninstall's Job; the chart writes it. None has a default: another installation's would be looked at. */
const Env = z
  .object({ POD_NAME: name, POD_NAMESPACE: name, LEASE_NAME: name, LOG_LEVEL: z.string().default("info") })
  .transform((env) => ({
    podName: env.POD_NAME,
    podNamespace: env.POD_NAMESPACE,
    leaseName: env.LEASE_NAME,
    logLevel: env.LOG_LEVEL,
  }));

/** @throws naming every variable that is not set */
export function readUninstallConfig(env: Readonly<Record<string, string | undefined>>): z.infer<typeof Env> {
  const parsed = Env.safeParse(env);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.map(String).join(".")}: ${message}`);
  throw new Error(`the uninstall needs POD_NAME, POD_NAMESPACE and LEASE_NAME: ${faults.join("; ")}`);
}
