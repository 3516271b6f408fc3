#!/bin/sh
# Builds `runnerlib` for the image from the package in the current directory.
#
# usage: build.sh compile|bundle

set -eu

# Permissions of the runner. Its jobs are programs, so it may start any program
# anyway. With all permissions, it also sees processes that left their session and
# mounts, and closes files that it inherited. Each command drops what it does not need.
permissions="--allow-all --no-prompt"

main() {
  deno install --frozen
  case "$1" in
    compile) compile ;;
    bundle) bundle ;;
    *) echo "Cannot build \"$1\": must be compile or bundle" >&2 && exit 2 ;;
  esac
  prepare_sources
  fill_cache
}

# A single executable with all modules, including dynamic imports. The runtime part
# is downloaded from Deno's host.
compile() {
  # shellcheck disable=SC2086
  deno compile --no-check $permissions --output bin/runnerlib cli.ts || {
    echo "Cannot compile runnerlib: if a part of Deno could not be downloaded," \
      "build with --build-arg RUNNER=bundle" >&2
    exit 1
  }
  launch "exec $PWD/bin/runnerlib"
}

# A bundle of several files, if that host cannot be reached. A command reads only the
# files that it needs.
bundle() {
  PACKAGE_DENO_DIR="$DENO_DIR" DENO_DIR=/tmp/tools deno run --quiet \
    --no-config --lock="$(dirname "$0")/bundle.lock" --frozen --allow-all \
    "$(dirname "$0")/bundle.ts" bin
  rm -rf /tmp/tools
  launch "exec /usr/local/lib/deno/deno run --quiet --config=/deno.json --unstable-lazy-dynamic-imports $permissions $PWD/bin/cli.js"
}

launch() {
  cat >/usr/local/bin/runnerlib <<END
#!/bin/sh
# Deno does not reap the processes that it inherits as the first process of a
# container, which this is when the entrypoint is cleared.
[ "\$\$" -ne 1 ] || exec /usr/bin/tini -- "\$0" "\$@"
$1 "\$@"
END
  chmod 0755 /usr/local/bin/runnerlib
}

# Pipelines import the package and std from here. Their configuration, /deno.json,
# has the links; in this one, Deno would only warn about them.
prepare_sources() {
  deno eval '
    const { links: _, ...config } = JSON.parse(Deno.readTextFileSync("deno.json"));
    Deno.writeTextFileSync("deno.json", JSON.stringify(config, null, 2));
  '
  rm -rf node_modules
}

# Fills the caches of modules, file types and compiled code, with the paths of the
# finished image. Containers find everything in them that was used here, so this
# does what many jobs do.
fill_cache() {
  mkdir /tmp/use
  cd /tmp/use
  make_jobs
  export REACTORCIDE_IN_CONTAINER=false
  for _ in 1 2 3; do
    deno run --config=/deno.json --allow-all pipeline.ts
    runnerlib exec pipeline.ts
    runnerlib run --job-file job.yaml
    runnerlib run --git-url repository --plugin-dir plugins -- true
    runnerlib eval --event-type push --branch main --ci-source-dir repository \
      --source-dir repository --triggers-file triggers.json
    run_job
  done
  shrink_cache
  # On a read-only file system, SQLite needs the files next to the databases.
  run_job
  cd /
  rm -rf /tmp/use "$DENO_DIR/dl"
}

run_job() {
  runnerlib run -- true
}

make_jobs() {
  cat >pipeline.ts <<END
import { Job, runJob } from "@reactorcide/runnerlib";
import "@std/assert";
import "@std/cli/parse-args";
import "@std/path/posix/join";
import "@std/streams/to-text";
import "@std/yaml/parse";

await runJob({ command: "true" });
await runJob(new Job({ name: "steps" }).addStep("step", "true"));
END
  cat >job.yaml <<END
steps:
  - { name: first, run: echo first }
  - { name: second, run: echo second, needs: first }
END
  mkdir plugins
  echo 'export default { name: "plugin", cleanup() {} };' >plugins/plugin_use.ts
  git init --quiet --initial-branch main repository
  mkdir -p repository/.reactorcide/jobs
  cat >repository/.reactorcide/jobs/test.yaml <<END
name: test
triggers: { events: [push] }
job: { command: "true" }
END
  git -C repository add .
  git -C repository -c user.name=runner -c user.email=runner@localhost \
    commit --quiet --message "Add a job"
}

# Deno leaves write-ahead logs that are larger than its databases.
shrink_cache() {
  # shellcheck disable=SC2016,SC2097,SC2098
  DENO_DIR=/tmp/deno deno eval --no-config '
    import { DatabaseSync } from "node:sqlite";
    const [directory] = Deno.args;
    for (const { name } of Deno.readDirSync(directory)) {
      if (!/_cache_v\d+$/.test(name)) continue;
      const database = new DatabaseSync(`${directory}/${name}`);
      database.exec("PRAGMA wal_checkpoint(TRUNCATE); VACUUM");
      database.close();
    }
  ' "$DENO_DIR"
  rm -rf /tmp/deno
}

main "$@"
