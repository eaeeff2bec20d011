import { clipped } from "@wa/schema";
import type { ClosedEvent } from "../sessions/client.ts";
import { EgressError } from "../sessions/ports.ts";
import type { Disconnect } from "../session/causes.ts";

const longestMessage = 512;

/** Takes the library's last error apart into plain values; a Boom carries a status and data of several shapes. */
export function closedBy(error: unknown, isProxied: boolean): ClosedEvent {
  const data = field(error, "data");
  const attrs = isRecord(data) ? data : {};
  const upgradeStatus = upgradeStatusOf(data);
  return {
    kind: "closed",
    disconnect: {
      statusCode: upgradeStatus ?? statusOf(error),
      message: clipped(error instanceof Error ? error.message : "closed without a reason", longestMessage),
      data: {
        code: text(attrs, "code"),
        reason: text(attrs, "reason"),
        tag: text(attrs, "tag"),
        type: text(field(data, "attrs"), "type"),
      },
      egress: egressOf(data, isProxied),
      upgrade: upgradeStatus === undefined ? undefined : { status: upgradeStatus, isProxied },
    },
    expire: text(attrs, "expire"),
    location: text(attrs, "location"),
  };
}

function statusOf(error: unknown): number | undefined {
  const status = field(field(error, "output"), "statusCode");
  return typeof status === "number" ? status : undefined;
}

function egressOf(data: unknown, isProxied: boolean): Disconnect["egress"] {
  return data instanceof EgressError ? { phase: data.phase, code: data.code, isProxied } : undefined;
}

function upgradeStatusOf(data: unknown): number | undefined {
  const status = field(data, "upgradeStatus");
  return typeof status === "number" ? status : undefined;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const field = (value: unknown, name: string): unknown => (isRecord(value) ? value[name] : undefined);

function text(value: unknown, name: string): string | undefined {
  const found = field(value, name);
  return typeof found === "string" ? found : undefined;
}
