import { randomBytes } from "node:crypto";
import { node, server } from "../wire/nodes.ts";
import type { LoginPayload } from "../wire/payloads.ts";
import type { Connection } from "./connection.ts";
import { deliver } from "./delivery.ts";
import { conflict, failure, seconds } from "./replies.ts";
import { lidJid } from "./world.ts";

/** A known device with the noise key that it paired with gets success; everybody else 401. */
export function login(connection: Connection, payload: LoginPayload): void {
  const { context } = connection;
  const account = context.accounts.of(payload.phone);
  const device = account.devices.get(payload.device);
  if (device === undefined || !device.noiseKey.equals(connection.clientStatic))
    return connection.refuse(failure("401"));
  const name = `${payload.phone}:${payload.device}`;
  const older = context.online.get(name);
  connection.loggedIn = { name, account, device };
  context.online.set(name, connection);
  const counters = context.counters.device(name);
  counters.logins += 1;
  counters.socketsEver += 1;
  counters.socketsNow += 1;
  connection.record.outcome = "success";
  if (older) {
    older.isReplaced = true;
    older.refuse(conflict("replaced"));
  }
  connection.send(
    node("success", {
      t: seconds(),
      props: "27",
      companion_enc_static: randomBytes(8).toString("hex"),
      lid: lidJid(account.phone, device.id),
      display_name: `Account of ${account.phone.slice(-2)}`,
      location: "frc",
      creation: "1700000000",
      abprops: "27",
    }),
  );
  const waiting = String(device.pending.size);
  connection.send(
    node("ib", { from: server }, [
      node("offline_preview", {
        count: waiting,
        message: waiting,
        receipt: "0",
        notification: "0",
        appdata: "0",
        call: "0",
      }),
    ]),
  );
  // Not waited for: a rule with a delay must not hold up the stanzas until then.
  void connection.staged("open");
}

/** Once a connection: what was not acknowledged, then the mark that no more is waiting. */
export function deliverOffline(connection: Connection): void {
  if (!connection.loggedIn || connection.hasDeliveredOffline) return;
  connection.hasDeliveredOffline = true;
  const pending = [...connection.loggedIn.device.pending.values()];
  for (const item of pending) deliver(connection, item, true);
  connection.send(node("ib", { from: server }, [node("offline", { count: String(pending.length) })]));
}
