import { z } from "zod";
import type { SendFault } from "../session/send-faults.ts";

/** A Boom of the library's: the server's code is its data; the library's own codes, of timeouts and closed connections, are its status. */
const Coded = z.object({ data: z.number().int() });
const Statused = z.object({ output: z.object({ statusCode: z.number() }) });
/** 408: no answer in time. 428: the connection was closed. Of all else the library says 500, whatever it was. */
const libraryCodes: ReadonlySet<number> = new Set([408, 428]);
const longestMessage = 200;

/** Takes the library's error apart into plain values. Its words name no number: they are the server's or its own. */
export function faultOf(error: unknown): SendFault {
  const message = (error instanceof Error ? error.message : "not sent").slice(0, longestMessage);
  const code = Coded.safeParse(error).data?.data ?? libraryCode(error);
  return code === undefined ? { message } : { code, message };
}

function libraryCode(error: unknown): number | undefined {
  const status = Statused.safeParse(error).data?.output.statusCode;
  return status !== undefined && libraryCodes.has(status) ? status : undefined;
}

const codeForm = /^[0-9]{3}$/;

/** The error of a message's acknowledgement; undefined where it has none. */
export function ackFault(error: string | undefined): SendFault | undefined {
  if (error === undefined) return undefined;
  return codeForm.test(error)
    ? { code: Number(error), message: "" }
    : { message: "the server gave a code of no known form" };
}
