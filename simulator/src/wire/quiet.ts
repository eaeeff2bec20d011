/**
 * libsignal prints whole session records, private keys included, through console.info and console.warn. Importing this
 * module first turns those two off for the process; nothing of ours writes to the console.
 */
const silent = (): void => undefined;
Object.assign(console, { info: silent, warn: silent });
