import { podEnv } from "@wa/schema";
import { z } from "zod";
import { kubectl } from "./kubectl.ts";
import { podOf } from "./node.ts";
import { sh } from "./shell.ts";

const Environment = z.array(z.object({ name: z.string(), value: z.string().default("") }));
const Answer = z.object({ kind: z.string(), reason: z.string().optional(), status: z.number().optional() });

/** Dials the hub with the token on standard input, says hello, and prints what the hub answers. */
const dial = `
const { WebSocket } = require("/app/node_modules/ws");
const { url, ca, hello } = JSON.parse(process.argv[1]);
const token = require("node:fs").readFileSync(0, "utf8").trim();
const socket = new WebSocket(url, { ca, headers: { authorization: "Bearer " + token } });
const say = (answer) => { console.log(JSON.stringify(answer)); process.exit(0); };
socket.on("open", () => socket.send(JSON.stringify(hello)));
socket.on("message", (frame) => say(JSON.parse(frame)));
socket.on("unexpected-response", (_request, response) => say({ kind: "http", status: response.statusCode }));
socket.on("error", (error) => say({ kind: "error", reason: error.message }));
`;

export interface PodName {
  readonly name: string;
  readonly uid: string;
}

/** A pod of somebody's with the built-in role `edit` in a namespace where session pods run, and what its owner can do. */
export class Intruder {
  readonly itself: PodName;
  readonly #namespace: string;
  readonly #environment: z.infer<typeof Environment>;

  private constructor(namespace: string, itself: PodName, environment: z.infer<typeof Environment>) {
    this.#namespace = namespace;
    this.itself = itself;
    this.#environment = environment;
  }

  /** @param victim a session pod, whose spec tells where the hub is and what it is trusted by */
  static async enter(namespace: string, victim: string): Promise<Intruder> {
    const [name, where] = ["intruder", ["-n", namespace]];
    const path = "jsonpath={.spec.containers[0].env}";
    const environment = Environment.parse(JSON.parse(await kubectl("get", "pod", victim, ...where, "-o", path)));
    await kubectl("run", name, ...where, "--image=whatsapp-session-pod:dev", "--command", "--", "sleep", "600");
    await kubectl("wait", "--for=condition=Ready", `pod/${name}`, ...where, "--timeout=120s");
    const { uid } = (await podOf(namespace, name)).metadata;
    return new Intruder(namespace, { name, uid }, environment);
  }

  /** A token of the namespace's service account, bound to the intruder's pod, as the kubelet's projected ones are. */
  async mint(audience: string): Promise<string> {
    const { name, uid } = this.itself;
    const bound = ["--bound-object-kind=Pod", `--bound-object-name=${name}`, `--bound-object-uid=${uid}`];
    return await kubectl("create", "token", "default", "-n", this.#namespace, `--audience=${audience}`, ...bound);
  }

  /** What the hub answers to this token and to the claim of being this pod. */
  async dial(token: string, claimed: PodName): Promise<z.infer<typeof Answer>> {
    const [url, ca, endpoint] = [podEnv.hubUrl, podEnv.hubCa, podEnv.endpoint].map((name) => this.#valueOf(name));
    const pod = { namespace: this.#namespace, node: "any", ...claimed };
    const hello = { kind: "hello", version: 1, endpoint, pod, sessions: [], selfGranted: [] };
    const program = ["node", "-e", dial, JSON.stringify({ url, ca, hello })];
    const exec = ["exec", "-i", this.itself.name, "-n", this.#namespace, "--", ...program];
    return Answer.parse(JSON.parse(await sh("kubectl", exec, token)));
  }

  #valueOf(name: string): string {
    return this.#environment.find((each) => each.name === name)?.value ?? "";
  }
}
