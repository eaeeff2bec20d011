/**
 * What every process that a test starts is given, beside its own: where programs are, and where Node keeps compiled modules
 * (`vitest.config.ts` says it), without which half of a short process's time is compiling.
 */
export const childEnvironment = {
  PATH: process.env["PATH"],
  NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
};
