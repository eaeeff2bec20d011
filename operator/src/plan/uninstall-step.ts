/** The Deployment of an operator, of this installation or another. */
export interface OperatorDeployment {
  readonly namespace: string;
  readonly name: string;
  readonly isTerminating: boolean;
}

export type UninstallStep =
  | { readonly kind: "Begin" }
  /** Somebody is uninstalling and has not finished. */
  | { readonly kind: "Wait"; readonly message: string }
  /** Nobody has uninstalled. */
  | { readonly kind: "Refuse"; readonly message: string }
  /** Another installation looks after the cluster's devices. */
  | { readonly kind: "LeaveAlone"; readonly message: string };

/**
 * Whether what operators have made may be removed. The Deployment says whether the installation is wanted, whatever its replicas
 * and its Lease say: one that is scaled to 0 for a restore, or whose pods crash, is not uninstalled.
 */
export function uninstallStep(
  own: Pick<OperatorDeployment, "namespace" | "name">,
  found: readonly OperatorDeployment[],
): UninstallStep {
  const isOwn = ({ namespace, name }: OperatorDeployment): boolean => namespace === own.namespace && name === own.name;
  const lasting = found.filter(({ isTerminating }) => !isTerminating);
  if (lasting.some(isOwn)) return { kind: "Refuse", message: `the operator's ${titleOf(own)} is there: ${leaveOut}` };
  const [going] = found.filter(({ isTerminating }) => isTerminating);
  if (going !== undefined) return { kind: "Wait", message: `the operator's ${titleOf(going)} is being deleted` };
  const [other] = lasting;
  if (other === undefined) return { kind: "Begin" };
  return { kind: "LeaveAlone", message: `the operator of ${titleOf(other)} looks after this cluster's devices` };
}

const titleOf = ({ namespace, name }: Pick<OperatorDeployment, "namespace" | "name">): string =>
  `Deployment ${namespace}/${name}`;

const leaveOut =
  "this Job is for after its deletion; leave it out of what is applied (uninstallJob: false, helm template --no-hooks, kustomize skipHooks: true)";
