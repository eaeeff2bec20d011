import { refusalOf, sayRefusal } from "./refusals.ts";
import type { WantedEndpoint } from "./wanted-endpoints.ts";
import { keyOf, type Facts } from "./world.ts";

/** The first endpoint of a pool that the API server does not let be made, in its words; undefined: there is none. */
export function refusedEndpoint(
  namespace: string,
  wanted: readonly WantedEndpoint[],
  world: Facts,
): string | undefined {
  for (const { name } of wanted) {
    const object = { kind: "EgressEndpoint", namespace, name } as const;
    const refusal = world.endpoints.has(keyOf(object)) ? undefined : refusalOf("EgressEndpoint", object, world);
    if (refusal !== undefined) return sayRefusal(object, refusal);
  }
  return undefined;
}
