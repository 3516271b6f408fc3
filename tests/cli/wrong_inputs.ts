/** An invalid command line, or one that reads invalid input. */
export interface WrongInput {
  /** Arguments of the command line. */
  readonly args: string;
  /** Files of the directory in which it runs, in addition to {@linkcode FILES}. */
  readonly files?: Readonly<Record<string, string>>;
  /** Variables of the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A job file of YAML text, run without being changed. */
function job(text: string): WrongInput {
  return { args: "run --job-file j.yaml", files: { "j.yaml": text } };
}

/** A workflow file. */
function workflow(text: string): WrongInput {
  return { args: "workflow run w.yaml", files: { "w.yaml": text } };
}

/** A job file that is submitted. */
function trigger(text: string): WrongInput {
  return { args: "trigger t.yaml", files: { "t.yaml": text } };
}

/** Options of a run. */
function run(options: string, env?: Record<string, string>): WrongInput {
  return { args: `run --job-command true ${options}`, env };
}

const STEP = "steps:\n  - name: a\n    run: x\n";

/** Invalid inputs by their problem. */
export const WRONG_INPUTS: Readonly<Record<string, WrongInput>> = {
  // The command line.
  "unknown command": { args: "rnu" },
  "command with a name that every object has": { args: "constructor" },
  "unknown option": run("--tiemout 5"),
  "option without value": { args: "run --job-command" },
  "option of another command": { args: "cleanup --job-command true" },
  "operand too many": { args: "validate a" },
  "flag with a wrong value": run("--wait=maybe"),
  "time without a unit that exists": run("--timeout 5x"),
  "time of zero": run("--timeout 0"),
  "negative time": run("--timeout=-1"),
  "time that is too long": run("--timeout 40000d"),
  "count that is not a number": run("--concurrency many"),
  "count that is too small": run("--concurrency 0"),
  "count that is too large": run("--concurrency 5000"),
  "word that is no choice": run("--failure-policy stop"),
  "path outside the job": run("--code-dir /etc"),
  "path with ..": run("--code-dir /job/../etc"),
  "unknown source type": run("--source-type gti --source-url x"),
  "source without url": run("--source-type git"),
  "empty command": { args: "run --job-command=" },
  "no command": { args: "run --timeout 5" },
  "variable without =": run("--job-env PLAIN"),
  "variables in a file elsewhere": run("--job-env ./.env"),
  "variables in a missing file": run("--job-env ./job/none.env"),
  "variables in a directory": run("--job-env ./job/dir"),
  "variable without a name": run("--job-env =x"),
  "malformed reference": run("--job-env A=${secret:demo}"),
  "unknown kind of reference": run("--job-env A=${secrets:a:b}"),
  "unknown step selected": {
    args: "run --job-file j.yaml --only b",
    files: { "j.yaml": STEP },
  },
  "job file that does not exist": { args: "run --job-file none.yaml" },
  "job file that is a directory": { args: "run --job-file dir" },
  "job file that links to itself": { args: "run --job-file loop.yaml" },
  "job file below a file": { args: "run --job-file plain.txt/j.yaml" },
  "plugin directory that does not exist": run("--plugin-dir none"),
  "plugin directory that is a file": run("--plugin-dir plain.txt"),
  "plugin permission without a kind": run("--allow-plugin slack"),
  "plugin permission of an unknown kind": run(
    "--plugin-dir dir --allow-plugin slack:nett=x",
  ),
  "plugin address without a hash": run("--plugin https://example.com/p.ts"),
  "work directory that does not exist": run("--work-dir none"),
  // Variables.
  "boolean variable": run("", { REACTORCIDE_WAIT: "maybe" }),
  "count in a variable": run("", { REACTORCIDE_CONCURRENCY: "x" }),
  "time in a variable": run("", { REACTORCIDE_ARCHIVE_TIMEOUT: "0" }),
  "choice in a variable": run("", { REACTORCIDE_TRIGGER_TRANSPORT: "htpp" }),
  "path in a variable": run("", { REACTORCIDE_CODE_DIR: "src" }),
  "clean-up flag in a variable": run("", {
    REACTORCIDE_VCS_AUTH_CLEANUP: "perhaps",
  }),
  // Files of another kind.
  "directory for a record": run("--record dir"),
  "job file for a pipeline": {
    args: "exec j.yaml",
    files: { "j.yaml": STEP },
  },
  "text for a pipeline": { args: "exec plain.txt" },
  "container without an image": run("--container"),
  "unknown step among others": {
    args: "run --job-file j.yaml --skip deploy",
    files: { "j.yaml": STEP },
  },
  "steps of a command": { args: "run --only test -- true" },
  "option of another program": run("--parallel 3"),
  "store that does not exist": {
    args: "secrets get demo A",
    env: { HOME: "/none" },
  },
  // Texts that are not YAML.
  "unquoted colon": job("command: echo a: b\n"),
  "duplicate key": job("command: a\ncommand: b\n"),
  "tab": job("steps:\n\t- name: a\n\t  run: x\n"),
  "bad indentation": job("steps:\n  - name: a\n   run: x\n"),
  "value with nested keys": job("command: a\n  timeout: 5\n"),
  "unclosed double quote": job('command: "echo\ntimeout: 5\n'),
  "unclosed single quote": job("command: 'echo\n"),
  "unclosed bracket": job("steps: [{name: a, run: x}\ntimeout: 5\n"),
  "unclosed brace": job("environment: {A: b\ncommand: x\n"),
  "unmatched bracket": job("command: ]\n"),
  "text after a quote": job("command: 'it's'\n"),
  "unknown alias": job("command: *x\n"),
  "two anchors": job("command: &a &b x\n"),
  "alias into itself": job("environment: &a {<<: *a}\ncommand: x\n"),
  "tag": job("command: !!python/object x\n"),
  "reserved sign": job("command: @x\n"),
  "backtick": job("command: `ls`\n"),
  "percent": job("command: %x\n"),
  "unknown escape": job('command: "\\q"\n'),
  "two documents": job("command: a\n---\ncommand: b\n"),
  "merge conflict": job("<<<<<<< HEAD\ncommand: a\n=======\ncommand: b\n"),
  "missing space after a colon": job("command:x\ntimeout: 5\n"),
  "line without a colon": job("command: a\ntimeout\n"),
  "list among keys": job("command: a\n- b\n"),
  "list on the line of its key": job("steps: - name: a\n"),
  "block text without a line": job("command: |x\n  y\n"),
  "NUL character": job("command: a\0b\n"),
  "escape character": job("command: a\x1bb\n"),
  "JSON without a comma": {
    args: "run --job-file j.json",
    files: { "j.json": '{"command": "x" "timeout": 5}\n' },
  },
  "JSON without an end": {
    args: "run --job-file j.json",
    files: { "j.json": '{"command": "x",\n "environment": {"A": "b"}\n' },
  },
  "nested too deeply": job(`command: ${"[".repeat(20_000)}\n`),
  "merge of a text": job("<<: x\ncommand: y\n"),
  // Job files.
  "empty job file": job(""),
  "job file with comments only": job("# nothing\n"),
  "job file that is a list": job("- a\n- b\n"),
  "job file that is a text": job("make test\n"),
  "unknown key": job("comand: x\n"),
  "key in another case": job("Command: x\n"),
  "unknown key below another": job("command: x\nsource: {typ: git}\n"),
  "list for a text": job("command: x\nsource: {url: [a]}\n"),
  "mapping for a text": job("command: {a: b}\n"),
  "text for a mapping": job("command: x\nsource: git\n"),
  "number for a boolean": job("command: x\nwait: 2\n"),
  "time of zero in a job file": job("command: x\ntimeout: 0\n"),
  "wrong time in a job file": job("command: x\ntimeout: 5 minutes\n"),
  "wrong choice in a job file": job("command: x\nfailure_policy: stop\n"),
  "wrong count in a job file": job("command: x\nconcurrency: 1.5\n"),
  "malformed reference in a job file": job(
    "command: x\nenvironment:\n  A: ${secret:demo/app}\n",
  ),
  "list in the environment": job("command: x\nenvironment:\n  A: [b]\n"),
  "environment that is a list": job("command: x\nenvironment: [A=b]\n"),
  "variable with =": job("command: x\nenvironment: {A=B: c}\n"),
  "steps and a command": job(`command: x\n${STEP}`),
  "steps that are a text": job("steps: make\n"),
  "no steps": job("steps: []\n"),
  "step without a name": job("steps:\n  - run: x\n"),
  "step without a command": job("steps:\n  - name: a\n"),
  "step that is a text": job("steps:\n  - make\n"),
  "step with an invalid name": job('steps:\n  - {name: "", run: x}\n'),
  "unknown key of a step": job(`${STEP}    neds: b\n`),
  "keys of another system": job(
    "steps:\n  - name: a\n    script: x\n    if: always()\n    stage: b\n    env: {}\n",
  ),
  "step that needs nothing known": job(`${STEP}    needs: bb\n`),
  "step that needs itself": job(`${STEP}    needs: a\n`),
  "steps in a circle": job(
    "steps:\n  - {name: a, run: x, needs: b}\n  - {name: b, run: x, needs: c}\n  - {name: c, run: x, needs: a}\n",
  ),
  "two steps of one name": job(`${STEP}  - {name: a, run: y}\n`),
  "two spellings of a key": job(`${STEP}    needs: []\n    depends_on: []\n`),
  "wrong condition": job(`${STEP}    condition: allways\n`),
  "wrong number of attempts": job(`${STEP}    retry: 0\n`),
  "step with a time of zero": job(`${STEP}    timeout: 0s\n`),
  "matrix that is a list": job(`${STEP}    matrix: [1, 2]\n`),
  "matrix without a variable": job(
    `${STEP}    matrix: {OS: [a], exclude: [{OSS: a}]}\n`,
  ),
  "for_each that is a mapping": job(`${STEP}    for_each: {a: b}\n`),
  "code directory elsewhere": job("command: x\ncode_dir: /etc\n"),
  // Workflows, job definitions and what is submitted.
  "workflow that does not exist": { args: "workflow run none.yaml" },
  "job file for a workflow": workflow(STEP),
  "workflow without jobs": workflow("name: w\n"),
  "workflow with no job": workflow("name: w\njobs: {}\n"),
  "workflow without a name": workflow("jobs: {a: {command: x}}\n"),
  "job without a command": workflow("name: w\njobs: {a: {image: x}}\n"),
  "jobs in a circle": workflow(
    "name: w\njobs:\n  a: {command: x, needs: b}\n  b: {command: x, needs: a}\n",
  ),
  "job that needs nothing known": workflow(
    "name: w\njobs:\n  build: {command: x}\n  test: {command: x, needs: biuld}\n",
  ),
  "two jobs of one name": workflow(
    "name: w\njobs:\n  - {name: a, command: x}\n  - {name: a, command: y}\n",
  ),
  "time of zero in a workflow": workflow(
    "name: w\njobs: {a: {command: x, timeout: 0s}}\n",
  ),
  "time that is not whole seconds": workflow(
    "name: w\njobs: {a: {command: x, timeout: 1500ms}}\n",
  ),
  "wrong filter": workflow(
    "name: w\non: push\npaths: src\njobs: {a: {command: x}}\n",
  ),
  "job file of a workflow that does not exist": workflow(
    "name: w\njobs: {a: {job_file: none.yaml}}\n",
  ),
  "key that only the coordinator sets": workflow(
    "name: w\njobs: {a: {command: x, authority: y}}\n",
  ),
  "unquoted colon in a workflow": workflow(
    "name: w\njobs:\n  a:\n    command: echo a: b\n",
  ),
  "submitted file without a name": trigger("command: x\n"),
  "submitted file without a command": trigger("name: t\n"),
  "submitted file with a wrong time": trigger(
    "name: t\ncommand: x\ntimeout: soon\n",
  ),
  "submitted file with a wrong amount": trigger(
    "name: t\njob: {command: x, resources: {cpu: {limit: lots}}}\n",
  ),
  "submitted file that does not exist": { args: "trigger none.yaml" },
  "event without a type": { args: "eval" },
  "unknown event": { args: "eval --event-type pussh --ci-source-dir ." },
  "CI directory that does not exist": {
    args: "eval --event-type push --branch main --ci-source-dir none",
  },
  "source directory that is a file": {
    args:
      "eval --event-type push --branch main --ci-source-dir . --source-dir plain.txt",
  },
  // Encodings, archives, refs and files.
  "UTF-16": { args: "run --job-file utf16.yaml" },
  "Latin-1": { args: "run --job-file latin1.yaml" },
  "huge job file": { args: "run --job-file huge.yaml" },
  "named pipe": { args: "run --job-file pipe" },
  "archive that is a text": run("--source-type tarball --source-url plain.txt"),
  "archive that does not exist": run(
    "--source-type tarball --source-url none.tar.gz",
  ),
  "copy of a missing directory": run("--source-type copy --source-url none"),
  "copy of a file": run("--source-type copy --source-url plain.txt"),
  "ref that starts with a dash": run(
    "--source-type git --source-url ./none.git --source-ref=-x",
  ),
  "record that does not exist": { args: "report none.jsonl" },
  "log that does not exist": { args: "explain-masks --log none.log" },
  // What a first run gets wrong.
  "job file as an argument": { args: "validate j.yaml" },
  "pipeline as an argument": { args: "run ci.ts" },
  "pipeline for a job file": {
    args: "graph ci.ts",
    files: { "ci.ts": "export {};\n" },
  },
  "file of another system": {
    args: "run --job-file ci.yml",
    files: {
      "ci.yml": "on: push\njobs: {a: {runs-on: linux, steps: [{run: x}]}}\n",
    },
  },
  "starter file that exists": { args: "init", files: { "job.yaml": STEP } },
  "steps without a step": job("steps:\n"),
  "misspelled scheme": { args: "checkout htps://example.com/a.git" },
  "URL without a scheme": { args: "checkout example.com/a.git" },
};
