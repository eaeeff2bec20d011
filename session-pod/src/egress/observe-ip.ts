import { observedAddress, type ObservedAddress } from "@wa/schema";
import { Agent, request, type buildConnector } from "undici";
import { EgressError } from "../sessions/ports.ts";

const answerMs = 10_000;
const maxAnswerBytes = 256;

/**
 * Asks echo addresses in their order which address they see; the first that answers with an IP counts. A connection of its
 * own each time: a pooled one could have left by an address of yesterday. Throws the last EgressError where none was reached.
 */
export async function observeIp(
  connect: buildConnector.connector,
  echoUrls: readonly string[],
): Promise<ObservedAddress> {
  const failures: string[] = [];
  let lastEgressError: EgressError | undefined;
  for (const url of echoUrls)
    try {
      return await askEcho(connect, url);
    } catch (error) {
      if (error instanceof EgressError) lastEgressError = error;
      failures.push(error instanceof Error ? error.message : "failed");
    }
  if (lastEgressError) throw lastEgressError;
  throw new Error(`no echo address answered with an IP address: ${failures.join("; ") || "none is configured"}`);
}

async function askEcho(connect: buildConnector.connector, url: string): Promise<ObservedAddress> {
  const agent = new Agent({ connect, pipelining: 0 });
  try {
    const { statusCode, body } = await request(url, { dispatcher: agent, signal: AbortSignal.timeout(answerMs) });
    if (statusCode !== 200) throw new Error(`the echo answered ${statusCode}`);
    let answer = "";
    for await (const chunk of body) {
      answer += String(chunk);
      if (answer.length > maxAnswerBytes) throw new Error("the echo's answer is too long");
    }
    const address = observedAddress(answer);
    if (address === undefined) throw new Error("the echo's answer is not an IP address");
    return address;
  } finally {
    await agent.destroy();
  }
}
