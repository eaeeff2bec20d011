import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./tools/longest-first.ts";

const source = { resolve: { conditions: ["source"] }, ssr: { resolve: { conditions: ["source"] } } };
const longMs = 120_000;
/** For the processes that tests start: their sources are compiled once. */
const env = { NODE_COMPILE_CACHE: join(import.meta.dirname, ".cache/node") };

/**
 * Five levels, from fast to real. `unit` stands beside its subject and needs nothing; `session` runs Baileys, proxies and
 * databases; `api` a real kube-apiserver; `cluster` tells users' stories on kind, all at once, each in its namespace, and
 * `destructive` those that hurt everybody on it, one by one.
 */
export default defineConfig({
  ...source,
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        ...source,
        test: {
          name: "unit",
          include: [
            "{operator,session-pod,simulator,e2e,bench}/src/**/*.test.ts",
            "crds/schema/src/**/*.test.ts",
            "tools/**/*.test.ts",
          ],
          // A busy machine takes its time to start a process, which some of them do.
          testTimeout: 60_000,
        },
      },
      {
        ...source,
        test: {
          name: "session",
          env,
          include: ["{session-pod,simulator}/test/**/*.test.ts"],
          testTimeout: longMs,
          hookTimeout: 300_000,
          maxWorkers: 3,
        },
      },
      {
        ...source,
        test: {
          name: "api",
          env,
          include: ["operator/test/**/*.test.ts", "crds/schema/test/**/*.test.ts"],
          testTimeout: longMs,
          hookTimeout: 300_000,
          maxWorkers: 3,
        },
      },
      {
        ...source,
        test: {
          name: "cluster",
          include: ["e2e/test/**/*.test.ts"],
          globalSetup: ["e2e/test/setup.ts"],
          testTimeout: 400_000,
          hookTimeout: 300_000,
          maxWorkers: 8,
        },
      },
      {
        ...source,
        test: {
          name: "destructive",
          include: ["e2e/destructive/**/*.test.ts"],
          globalSetup: ["e2e/test/setup.ts"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
