/** Progress, for the person who waits. */
export const say = (text: string): void =>
  void process.stderr.write(`${new Date().toTimeString().slice(0, 8)}  ${text}\n`);
