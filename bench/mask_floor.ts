/**
 * Passes on the output of a command like `bare_loop.ts`, and searches it with
 * {@linkcode BareSearch}, which decodes nothing and masks nothing.
 *
 * The first argument is the number of secrets.
 *
 * @module
 */
import { passOn } from "./bare_loop.ts";
import { BareSearch } from "./bare_search.ts";
import { makeSecrets } from "./log_file.ts";

const [count, ...argv] = Deno.args;
const search = new BareSearch(makeSecrets(Number(count)));
await passOn(argv, (text) => search.search(text));
