import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { podHttpPort, podPaths, storeKey, type Welcome } from "@wa/schema";
import { setGlobalDispatcher } from "undici";
import { parsePodConfig } from "./config/pod-config.ts";
import { createDialer } from "./egress/create-dialer.ts";
import { mountedCredentials, proxyLogin } from "./egress/credentials.ts";
import { Hosting, type Workplace } from "./link/hosting.ts";
import { LateStore } from "./link/late-store.ts";
import { StateFile } from "./link/state-file.ts";
import { serveObservation } from "./observe/http.ts";
import { createLog } from "./observe/log.ts";
import { PodMetrics } from "./observe/metrics.ts";
import { attributeFaults } from "./sessions/faults.ts";
import { Sessions } from "./sessions/sessions.ts";
import { openStore } from "./store/open-store.ts";
import type { OnSetAside } from "./store/set-aside.ts";
import { whatsAppLibrary } from "./whatsapp/library.ts";

/** Kubernetes kills a pod 45 s after it asked it to end. */
const stopWithinMs = 30_000;

/** Outside of a container: another place for the pod's folders, and another port. */
const { values: flags } = parseArgs({
  options: { root: { type: "string", default: "/" }, "http-port": { type: "string", default: String(podHttpPort) } },
});
const at = (path: string): string => join(flags.root, path);

const { hubUrl, hubCaPem, endpoint, pod, egress, logLevel } = parsePodConfig(process.env);
const log = createLog(logLevel);
attributeFaults((error) => {
  log.fatal({ fault: error instanceof Error ? error.stack : "no error" }, "fault of no session");
  process.exit(1);
});

const metrics = new PodMetrics(() => hosting.countStates());
const hosting = new Hosting({
  hubUrl,
  hubCaPem,
  endpoint,
  pod,
  log,
  file: new StateFile(at(podPaths.stateFolder), log),
  readToken: async () => await readFile(at(podPaths.token), "utf8"),
  openWorkplace,
  onOutdated: () => void stop("the operator's settings changed"),
});
let isStopping = false;
process.once("SIGTERM", () => void stop("asked to end"));
process.once("SIGINT", () => void stop("asked to end"));
// No host: IPv6 and IPv4 alike, where the pod has them.
const http = { host: "", port: Number(flags["http-port"]), metrics, notReady: () => hosting.notReady };
const { port } = await serveObservation(http);
await hosting.start();
log.info({ endpoint, pod: pod.name, egress: egress.kind, port }, "session pod up");

function openWorkplace({ whatsapp, installation, canaryKeyBase64, store: { url } }: Welcome): Workplace {
  const credentials = egress.kind === "proxy" ? egress.credentials : undefined;
  const readCredentials =
    credentials === undefined ? async () => undefined : mountedCredentials(at(podPaths.proxyFolder), credentials);
  const dialer = createDialer({
    egress,
    readCredentials,
    ...(whatsapp.caBundle !== "" && { caPem: whatsapp.caBundle }),
  });
  // Whatever of the client library takes no dispatcher must not leave by another way.
  setGlobalDispatcher(dialer.dispatcher);
  const library = whatsAppLibrary(whatsapp.rootKeyHex);
  const store = new LateStore({
    url,
    open: async (at) => await openStore({ url: at, installation, canaryKeyBase64, onTrouble, onSetAside }),
    onProblem: (problem) => {
      if (problem === undefined) log.info("the store is used as the operator told last");
      else log.warn({ ...problem }, "the store is used as before");
      hosting.storeProblem(problem);
    },
  });
  const sessions = new Sessions({
    store,
    dialer,
    library,
    metrics,
    log,
    url: whatsapp.url,
    isProxied: egress.kind === "proxy",
    owner: pod.uid,
    keyOf: ({ namespace, name }) => storeKey(installation, namespace, name),
    needsLink: true,
  });
  return {
    sessions,
    defaultVersion: library.defaultVersion,
    useStore: (next) => store.useUrl(next),
    observeIP: async (echoUrls) => await dialer.observeIP(echoUrls),
    lookAtProxyLogin: async () => await proxyLogin(readCredentials),
    close: async () => {
      await store[Symbol.asyncDispose]();
      await dialer.close();
    },
  };
}

function onTrouble({ operation, code }: { readonly operation: string; readonly code: string }): void {
  metrics.storeTrouble.inc({ operation });
  log.warn({ operation, code }, "store trouble");
}

function onSetAside(aside: Parameters<OnSetAside>[0]): void {
  metrics.setAside.inc({ reason: aside.reason });
  log.warn(aside, "message set aside");
}

async function stop(reason: string): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  log.info({ reason }, "session pod ends");
  setTimeout(() => {
    log.error("sessions did not end in time");
    process.exit(1);
  }, stopWithinMs).unref();
  await hosting.stop();
  process.exit(0);
}
