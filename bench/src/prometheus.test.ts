import { expect, it } from "vitest";
import { readSamples, sumOf } from "./prometheus.ts";

const page = `# HELP requests_total All of them.
# TYPE requests_total counter
requests_total{verb="PUT",resource="leases"} 4
requests_total{verb="PUT",resource="pods",note="a \\"b\\", {c}"} 2
requests_total{verb="GET",resource="pods"} 1e+03
depth 7
`;

it("reads names, labels and values", () => {
  expect(readSamples(page)).toEqual([
    { name: "requests_total", labels: { verb: "PUT", resource: "leases" }, value: 4 },
    { name: "requests_total", labels: { verb: "PUT", resource: "pods", note: 'a \\"b\\", {c}' }, value: 2 },
    { name: "requests_total", labels: { verb: "GET", resource: "pods" }, value: 1000 },
    { name: "depth", labels: {}, value: 7 },
  ]);
});

it.each([
  ["all of a name", "requests_total", {}, 1006],
  ["those with a label", "requests_total", { verb: "PUT" }, 6],
  ["those with all labels", "requests_total", { verb: "PUT", resource: "pods" }, 2],
  ["nothing of an unknown name", "requests", {}, 0],
])("sums %s", (_case, name, labels, sum) => {
  expect(sumOf(readSamples(page), name, labels)).toBe(sum);
});
