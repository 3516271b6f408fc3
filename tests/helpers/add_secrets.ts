// Adds many secrets to a store, one by one, as one of several writers does:
// deno run -A add_secrets.ts DIRECTORY NAME COUNT
import { SecretStore } from "../../src/secrets/store/store.ts";
import { addSecrets } from "../../src/secrets/store/store_table.ts";

const [directory, name, count] = Deno.args;
const store = new SecretStore({
  directory,
  password: () => "correct horse",
  cost: 16,
});
for (let i = 0; i < Number(count); i++) {
  await store.update((table) => addSecrets(table, name, [[`K${i}`, `${i}`]]));
}
