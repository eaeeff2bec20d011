import { expect, it } from "vitest";
import { Stage } from "./stage.ts";

const source = ". tools/shell/step.sh; . tools/shell/packages.sh";

it("says of a failed step which it was, its command, its code, its last lines, where the others are, and what to do", () => {
  using stage = new Stage().play("compile", "seq 100; echo 'no room left' >&2; exit 3");
  const { code, said } = stage.run(`${source}; step "2 of 9: the thing" "make room" compile --all "two words"`);
  expect(code).toBe(97);
  expect(said).toContain("2 of 9: the thing");
  expect(said).toMatch(/FAILED {2}2 of 9: the thing: ended with 3 after \d+ s/);
  expect(said).toContain("compile --all two\\ words");
  expect(said).toContain("    no room left");
  expect(said).not.toContain("    50\n");
  expect(said).toContain(`${stage.cache}/logs/the-thing.log`);
  expect(said).toContain("what to do: make room");
  expect(stage.read("logs/the-thing.log")).toContain("50\n");
});

it("says so of a step whose command said nothing, and of one that is not there", () => {
  using stage = new Stage();
  expect(stage.run(`${source}; step silent "look" false`).said).toContain("it said nothing");
  expect(stage.run(`${source}; step absent "look" no-such-program`).said).toContain(
    "no-such-program: command not found",
  );
});

it("ends a step with the first command of its function that fails, and says on which line", () => {
  using stage = new Stage();
  const { code, said } = stage.run(`${source}
work() { echo before; grep -q needle /dev/null; echo after; }
step hay "look" work`);
  expect(code).toBe(97);
  expect(said).toContain("    before");
  expect(said).toMatch(/line \d+: "grep -q needle \/dev\/null" ended with 1/);
  expect(said).not.toContain("    after");
});

it("gives the functions of a step the variables of its script, whatever a step calls its own", () => {
  using stage = new Stage();
  const { said } = stage.run(`${source}
name=place advice=a log=l code=c key=k start=s
work() { echo "$name $advice $log $code $key $start"; false; }
step other "look" work`);
  expect(said).toContain("    place a l c k s");
});

it("tells a failure once: the scripts above it end with the same code, silently", () => {
  using stage = new Stage();
  const { code, said } = stage.run(`${source}
inner() { bash -c '${source}; step deep "dig" false'; }
value=$(inner | tail -n 1)
echo "not reached $value"`);
  expect(code).toBe(97);
  expect(said.match(/FAILED/g)).toHaveLength(1);
  expect(said).not.toContain("not reached");
});

it("says of a command outside of any step where it stands", () => {
  using stage = new Stage();
  const { code, said } = stage.run(`${source}\nls /no/such/folder`);
  expect(code).toBe(97);
  expect(said).toContain("No such file or directory");
  expect(said).toMatch(/FAILED {2}\S+, line \d+: "ls \/no\/such\/folder" ended with 2/);
});

it("shows what a question said besides its answer only where it fails", () => {
  using stage = new Stage().play("asked", 'echo answer; echo warning >&2; exit "$1"');
  expect(stage.run(`${source}; x=$(ask what "look" asked 0); echo "<$x>"`).said).toBe("<answer>\n");
  const { code, said } = stage.run(`${source}; x=$(ask what "look" asked 4); echo "<$x>"`);
  expect(code).toBe(97);
  expect(said).toContain("    warning");
  expect(said).not.toContain("<answer>");
});

it.each([
  ["130", "compiling (took 2 m 10 s last time)"],
  ["9", "compiling (took 9 s last time)"],
  ["2", "compiling\n"],
])("says that a step took %s s last time, where that is long enough to be told: %s", (seconds, expected) => {
  using stage = new Stage().write("took/compiling", seconds);
  expect(stage.run(`${source}; step "compiling" "look" true`).said).toContain(expected);
});

it("says what a step took elsewhere where it was never run here", () => {
  using stage = new Stage();
  const { said } = stage.run(`${source}; step "building 1 of 9: kube-apiserver 1.36.3" "look" true`);
  expect(said).toMatch(/kube-apiserver 1\.36\.3 \(takes about \d+ m \d+ s on two cores\)/);
});

it("keeps how long it took", () => {
  using stage = new Stage();
  stage.run(`${source}; step "1 of 2: compiling" "look" sleep 1`);
  expect(Number(stage.read("took/compiling"))).toBeGreaterThan(0);
});

it("keeps no time of a step that failed", () => {
  using stage = new Stage().write("took/compiling", "130");
  stage.run(`${source}; step "compiling" "look" false`);
  expect(stage.read("took/compiling")).toBe("130");
});

it("says which package could not be installed, with what apt-get said and the command to try", () => {
  using stage = new Stage()
    .play("id", "echo 0")
    .play("apt-get", 'case "$*" in *update*) exit 0;; esac; echo "E: Unable to locate package wanted" >&2; exit 100');
  const { code, said } = stage.run(`${source}; packages no-such-program:wanted`);
  expect(code).toBe(97);
  expect(said).toContain("FAILED  packages of Debian: wanted");
  expect(said).toContain("E: Unable to locate package wanted");
  expect(said).toContain("apt-get update && apt-get install --no-install-recommends wanted");
});

it("names what is missing where only root can install it", () => {
  using stage = new Stage().play("id", "echo 1000");
  const { said } = stage.run(`${source}; packages no-such-program:wanted bash also-missing`);
  expect(said).toContain("missing: wanted also-missing, and only root can install them");
});

it.each(["relative/path", "/with space", "/with:colon", "."])(
  "refuses the CACHE %j, and says what is allowed",
  (CACHE) => {
    using stage = new Stage();
    const { code, said } = stage.run(source, { CACHE });
    expect(code).toBe(97);
    expect(said).toContain(`CACHE is "${CACHE}"; allowed: an absolute path`);
  },
);
