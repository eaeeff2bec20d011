/**
 * Loaded before a program by the scripts of package.json, in what every Node understands.
 *
 * A Node that does not run TypeScript is told with the version that does: it would else say "Unknown file extension".
 *
 * The program ends with the npm that runs it, which passes SIGINT and SIGTERM on; but one that was killed, or that a closed
 * terminal ended, passes nothing on. The program then gets a SIGTERM of its own within half a second.
 */
const needed = [22, 18];
const lookEveryMs = 500;

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  process.stderr.write(
    `Node ${process.versions.node} is too old; ${needed.join(".")} or newer is needed, and Node 24 comes with this project's packages: make install\n`,
  );
  process.exit(1);
}

const parent = process.ppid;
const timer = setInterval(() => {
  // The kernel gives the children of a dead process to another.
  if (process.ppid === parent) return;
  clearInterval(timer);
  process.kill(process.pid, "SIGTERM");
}, lookEveryMs);
timer.unref();
