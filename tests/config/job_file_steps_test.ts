import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readProblems, readSteps, readText } from "../helpers/job_file.ts";

/** Returns the only step of a file with the given lines. */
async function stepOf(...lines: string[]): Promise<Record<string, unknown>> {
  const [step] = await readSteps(
    `steps:\n  - name: a\n    run: x\n${
      lines.map((line) => `    ${line}\n`).join("")
    }`,
  );
  const { name, run, ...rest } = step;
  assertEquals([name, run], ["a", "x"]);
  return rest;
}

/**
 * Returns the problems of a step with the given lines, which start at line 4.
 */
function problemsOfStep(...lines: string[]): Promise<string[]> {
  return readProblems(
    `steps:\n  - name: a\n    run: x\n${
      lines.map((line) => `    ${line}\n`).join("")
    }`,
  );
}

describe("readJobFile() reads steps", () => {
  it("from a list", async () => {
    assertEquals(
      await readSteps(`
name: build
environment: {A: b}
steps:
  - name: check out
    run: git clone https://host/x .
  - name: test
    run: |
      deno test
    depends_on: check out
  - name: lint
    run: [deno, lint, "", 1.0]
    needs: [check out, test]
`),
      [
        { name: "check out", run: "git clone https://host/x ." },
        { name: "test", run: "deno test\n", dependsOn: ["check out"] },
        {
          name: "lint",
          run: ["deno", "lint", "", "1.0"],
          dependsOn: ["check out", "test"],
        },
      ],
    );
  });

  it("from a mapping of names, in order", async () => {
    assertEquals(
      await readSteps(`
steps:
  b: {run: one}
  a:
    run: two
    needs: b
`),
      [
        { name: "b", run: "one" },
        { name: "a", run: "two", dependsOn: ["b"] },
      ],
    );
  });

  it("in the nested form, and from JSON", async () => {
    const steps = [{ name: "a", run: "x" }];
    assertEquals(await readSteps("job:\n  steps:\n    - {name: a, run: x}"), [
      ...steps,
    ]);
    assertEquals(await readSteps(JSON.stringify({ job: { steps } })), steps);
    assertEquals(await readSteps(JSON.stringify({ steps }, null, "\t")), steps);
  });

  it("next to the configuration of the job", async () => {
    const { layer, steps } = await readText(`
concurrency: 2
failure_policy: kill
inherit_env: [PATH]
only: a,b
skip: [c]
log_group: true
max_line_bytes: 100
job: {timeout: 1h, steps: [{name: a, run: x}]}
`);
    assertEquals(steps?.length, 1);
    assertEquals(
      Object.fromEntries(
        Object.entries(layer).map(([name, { value }]) => [name, value]),
      ),
      {
        concurrency: "2",
        failure_policy: "kill",
        inherit_env: ["PATH"],
        only: "a,b",
        skip: ["c"],
        log_group: "true",
        max_line_bytes: "100",
        timeout: "1h",
      },
    );
  });

  it("or none", async () => {
    assertEquals((await readText("command: x")).steps, undefined);
    assertEquals((await readText("command: x\nsteps:\n")).steps, undefined);
    assertEquals(await readSteps("command: ~\nsteps: [{name: a, run: x}]"), [
      { name: "a", run: "x" },
    ]);
  });

  it("with all of their keys", async () => {
    assertEquals(
      await stepOf(
        "condition: any_failed",
        "env: {A: 1.0, B: yes, C: , D: ~, E: '~'}",
        "working_dir: sub/dir",
        "shell: bash -e  -c",
        "timeout: 90",
        "retry: {attempts: 3, delay: 2, factor: 1.5, max_delay: 1m, jitter: 0, exit_codes: [1, 75]}",
        "continue_on_error: true",
        "required: false",
        "for_each: [a, 1.0, no, ~, '']",
        "item_var: THING",
        "matrix: {OS: [linux, mac], N: [1, 2.0], include: [{OS: bsd, X: 1}], exclude: [{OS: mac, N: 1}]}",
        "neutral_exit: true",
        "inherit_env: [PATH, HOME]",
        "untrusted: true",
      ),
      {
        condition: "any_failed",
        env: { A: "1.0", B: "yes", C: "", D: "", E: "~" },
        workingDir: "sub/dir",
        shell: ["bash", "-e", "-c"],
        timeoutMs: 90_000,
        retry: {
          attempts: 3,
          delayMs: 2_000,
          factor: 1.5,
          maxDelayMs: 60_000,
          jitter: 0,
          exitCodes: [1, 75],
        },
        continueOnError: true,
        required: false,
        forEach: ["a", "1.0", "no", "null", ""],
        itemVar: "THING",
        matrix: {
          axes: { OS: ["linux", "mac"], N: ["1", "2.0"] },
          include: [{ OS: "bsd", X: "1" }],
          exclude: [{ OS: "mac", N: "1" }],
        },
        neutralExit: true,
        inheritEnv: ["PATH", "HOME"],
        untrusted: true,
      },
    );
  });

  it("and their short forms", async () => {
    assertEquals(
      await stepOf(
        "retry: 2",
        "shell: bash",
        "for_each: one",
        "inherit_env: false",
        "timeout: 1m30s",
      ),
      {
        retry: { attempts: 2 },
        shell: ["bash"],
        forEach: ["one"],
        inheritEnv: false,
        timeoutMs: 90_000,
      },
    );
    assertEquals(
      await stepOf("retry: {attempts: 2, backoff: 3, exit_codes: 7}"),
      {
        retry: { attempts: 2, factor: 3, exitCodes: [7] },
      },
    );
    assertEquals(await stepOf("matrix: {include: [{A: ~}]}"), {
      matrix: { axes: {}, include: [{ A: "null" }] },
    });
  });

  it("and all spellings of a condition", async () => {
    const spellings = {
      all_success: "all_success",
      "all_success(needs)": "all_success",
      '""': "all_success",
      any_failed: "any_failed",
      "any_failed(needs)": "any_failed",
      always: "always",
      "always()": "always",
    };
    for (const [text, condition] of Object.entries(spellings)) {
      assertEquals(await stepOf(`condition: ${text}`), { condition });
    }
  });

  it("and treats empty keys as missing", async () => {
    assertEquals(
      await stepOf("retry:", "timeout: ~", "matrix: null", "needs:", "shell:"),
      {},
    );
    assertEquals(await stepOf("env:"), { env: {} });
  });

  it("and names that have a meaning in JavaScript", async () => {
    assertEquals(
      (await readSteps(
        "steps: {__proto__: {run: x, env: {__proto__: y}}, constructor: {run: z}}",
      )).map(({ name, env }) => [name, Object.entries(env ?? {})]),
      [["__proto__", [["__proto__", "y"]]], ["constructor", []]],
    );
    assertEquals(Object.getPrototypeOf({}), Object.prototype);
  });

  it("that share aliases", async () => {
    assertEquals(
      await readSteps(`steps:
  a: &a {run: x, env: &env {A: b}}
  b: *a
  c: {run: z, env: *env}
`),
      [
        { name: "a", run: "x", env: { A: "b" } },
        { name: "b", run: "x", env: { A: "b" } },
        { name: "c", run: "z", env: { A: "b" } },
      ],
    );
  });
});

describe("readJobFile() reports about steps", () => {
  it("all problems together, with their positions", async () => {
    assertEquals(
      await readProblems(`timeout: soon
steps:
  - name: a
    run: x
    timeot: 5
    condition: any_fail
    retry: {attempts: 0, jiter: 1}
  - run: [x, [y]]
    needs: [a, {b: c}]
    env:
      A: [s3cret]
  - name: a
    run: y
    matrix:
      OS: linux
      exclude:
        - {OSS: linux}
`),
      [
        '1:1: timeout must be a duration such as "90s", "15m" or "2h", not "soon"',
        '5:5: unknown key "steps[0].timeot"; did you mean "steps[0].timeout"?',
        '6:5: steps[0].condition must be "all_success", "any_failed" or "always", not "any_fail"; did you mean "any_failed"?',
        '7:13: steps[0].retry.attempts must be a whole number from 1 to 100, not "0"',
        '7:26: unknown key "steps[0].retry.jiter"; did you mean "steps[0].retry.jitter"?',
        '8:5: steps[1] needs the key "name"',
        "8:14: steps[1].run[1] must be a single value",
        "9:16: steps[1].needs[1] must be a single value",
        "11:7: steps[1].env.A must be a single value",
        "12:5: steps[2] has the same name as the step at 3:5",
        "15:7: steps[2].matrix.OS must be a list",
        '17:12: steps[2].matrix.exclude[0].OSS is not a variable of the matrix; did you mean "OS"?',
      ],
    );
  });

  it("invalid booleans", async () => {
    assertEquals(await problemsOfStep("required: yes", "untrusted: maybe"), [
      '4:5: steps[0].required must be true or false, not "yes"; did you mean true?',
      '5:5: steps[0].untrusted must be true or false, not "maybe"',
    ]);
    for (const word of ["True", "off", "N", "1", "''"]) {
      assertEquals((await problemsOfStep(`required: ${word}`)).length, 1, word);
    }
  });

  it("numbers out of range", async () => {
    const wrong = {
      "retry: 0": "retry",
      "retry: 101": "retry",
      "retry: 1.5": "retry",
      "retry: -1": "retry",
      "retry: {attempts: 1, jitter: 1.01}": "retry.jitter",
      "retry: {attempts: 1, jitter: -0.1}": "retry.jitter",
      "retry: {attempts: 1, factor: 0.9}": "retry.factor",
      "retry: {attempts: 1, exit_codes: 0}": "retry.exit_codes",
      "retry: {attempts: 1, exit_codes: [1, 256]}": "retry.exit_codes[1]",
      "retry: {attempts: 1, exit_codes: []}": "retry.exit_codes",
      "retry: {delay: 1}": "retry",
      "retry: [1]": "retry",
      "timeout: 36501d": "timeout",
      "timeout: -1": "timeout",
      "timeout: {}": "timeout",
    };
    for (const [line, place] of Object.entries(wrong)) {
      const problems = await problemsOfStep(line);
      assertEquals(problems.length, 1, line);
      assertMatch(problems[0], /^4:\d+: \S+ (must|needs) /);
      assertEquals(problems[0].split(" ")[1], `steps[0].${place}`);
    }
  });

  it("invalid names", async () => {
    const long = "é".repeat(100);
    for (const name of ["a", "0", "a b", "a.b", "[x]", "é", "a-", long, "🙂"]) {
      const file = JSON.stringify({ steps: [{ name, run: "x" }] });
      assertEquals((await readSteps(file))[0].name, name);
      const named = JSON.stringify({ steps: { [name]: { run: "x" } } });
      assertEquals((await readSteps(named))[0].name, name);
    }
    for (
      const name of [
        ...["", " ", " a", "a ", "\ta", "-a", ".", ".a", "a/b", "/", "a,b"],
        ...["a\nb", "a\0", "\u007f", "a\u0085b", `${long}x`],
      ]
    ) {
      const file = JSON.stringify({ steps: [{ name, run: "x" }] });
      const [problem, ...rest] = await readProblems(file);
      assertMatch(problem, /^1:12: steps\[0\]\.name must /);
      assertEquals(rest, []);
      const named = JSON.stringify({ steps: { [name]: { run: "x" } } });
      assertEquals((await readProblems(named)).length, 1, named);
    }
  });

  it("duplicate names", async () => {
    assertEquals(
      await readProblems(`steps:
  - {name: a, run: x}
  - {name: b, run: x}
  - {name: a, run: x}
  - {name: a, run: x}
`),
      [
        "4:6: steps[2] has the same name as the step at 2:6",
        "5:6: steps[3] has the same name as the step at 2:6",
      ],
    );
    const [problem] = await readProblems(
      "steps:\n  a: {run: x}\n  a: {run: y}\n",
    );
    assertEquals(problem, '3:3: the key "a" is defined twice; first at 2:3');
  });

  it("invalid variable names", async () => {
    assertEquals(
      await problemsOfStep(
        "item_var: 1A",
        "matrix: {A-B: [1], C: [], include: [{D E: 1}, {}]}",
        "inherit_env: [A, B=1]",
        "env: {A=B: x, '': y}",
      ),
      [
        "4:5: steps[0].item_var must be the name of a variable, such as ITEM",
        "5:14: steps[0].matrix.A-B must be the name of a variable, such as OS",
        "5:24: steps[0].matrix.C must not be empty",
        "5:42: steps[0].matrix.include[0].D E must be the name of a variable, such as OS",
        "5:51: steps[0].matrix.include[1] must not be empty",
        "6:22: steps[0].inherit_env[1] must be the name of a variable, such as ITEM",
        '7:11: steps[0].env.A=B must be a name without "=" or control characters',
        '7:19: steps[0].env. must be a name without "=" or control characters',
      ],
    );
  });

  it("values of the wrong type", async () => {
    const wrong = {
      "for_each: {a: b}": "for_each must be a list of values",
      "for_each: [[a]]": "for_each[0] must be a single value",
      "for_each: [{a: b}]": "for_each[0] must be a single value",
      "matrix: [a]": "matrix must map names to lists",
      "matrix: {}": "matrix must name a variable and its values",
      "matrix: {exclude: [{A: b}]}":
        "matrix must name a variable and its values",
      "matrix: {A: [[b]]}": "matrix.A[0] must be a single value",
      "matrix: {A: [1], include: {A: 1}}": "matrix.include must be a list",
      "env: [A=b]": "env must map names to values",
      "env: A=b": "env must map names to values",
      "shell: []": "shell must not be empty",
      'shell: ""': "shell must not be empty",
      "shell: {a: b}": "shell must be a string or a list of strings",
      'working_dir: " "': "working_dir must not be empty",
      "working_dir: /etc": 'working_dir must be "/job" or a path below it',
      "depends_on: [~]": "depends_on[0] must not be empty",
      "depends_on: {a: b}":
        "depends_on must be the name of a step or a list of names",
      "inherit_env: A": 'inherit_env must be true or false, not "A"',
      'env: {A: "\\0s3cret"}': "env.A must not contain a NUL character",
    };
    for (const [line, problem] of Object.entries(wrong)) {
      const [first] = await problemsOfStep(line);
      assertEquals(first.replace(/^4:\d+: /, ""), `steps[0].${problem}`);
    }
  });

  it("two keys with the same meaning", async () => {
    assertEquals(await problemsOfStep("needs: b", "depends_on: c"), [
      '4:5: steps[0].needs refers to "b", which is not a step; did you mean "a"?',
      "5:5: steps[0].depends_on is another name for needs: use only one",
      '5:5: steps[0].depends_on refers to "c", which is not a step; did you mean "a"?',
    ]);
  });

  it("invalid steps", async () => {
    const wrong = {
      "steps: []": "1:1: steps must not be empty",
      "steps: {}": "1:1: steps must not be empty",
      "steps: x": "1:1: steps must be a list of steps",
      "steps: [x]": "1:9: steps[0] must be a mapping of keys",
      "steps: [~]": "1:9: steps[0] must not be empty",
      "steps: {a: }": "1:9: steps.a must be a mapping of keys",
      "steps: {a: make}": "1:9: steps.a must be a mapping of keys",
      "steps: {a: {}}": '1:9: steps.a needs the key "run"',
      "steps: {a: {name: b, run: x}}": '1:13: unknown key "steps.a.name"',
      "steps: [{name: a}]": '1:9: steps[0] needs the key "run"',
      "steps: [{name: a, run: }]": '1:9: steps[0] needs the key "run"',
      "steps: [{name: a, run: ' '}]": "1:19: steps[0].run must not be empty",
      "steps: [{name: a, run: []}]": "1:19: steps[0].run must not be empty",
      "steps: [{name: a, run: ['', x]}]":
        "1:25: steps[0].run[0] must not be empty",
    };
    for (const [text, problem] of Object.entries(wrong)) {
      assertEquals(await readProblems(text), [problem]);
    }
  });

  it("once that a job has both steps and a command", async () => {
    assertEquals(
      await readProblems("command: x\nsteps: [{name: a, run: x}]\n"),
      ["2:1: a job has either steps or a command; command at 1:1"],
    );
    assertEquals(
      await readProblems("steps: [{name: a, run: x}]\njob: {command: x}\n"),
      ["1:1: a job has either steps or a command; command at 2:7"],
    );
    assertEquals(
      await readProblems(
        "steps: [{name: a, run: x}]\njob: {steps: [{name: a, run: x}]}\n",
      ),
      ["2:7: steps defined twice; first at 1:1"],
    );
  });

  it("no value that may be a secret", async () => {
    const texts = [
      "env: {A: {s3cret: 1}}",
      "env: [s3cret]",
      "env: s3cret",
      "run: [[s3cret]]",
      "for_each: [[s3cret]]",
      "matrix: {A: s3cret}",
    ];
    for (const text of texts) {
      const problems = await readProblems(
        `steps:\n  - name: a\n    ${text}\n${
          text.startsWith("run") ? "" : "    run: x\n"
        }`,
      );
      assertEquals(problems.join().includes("s3cret"), false, text);
    }
  });
});

describe("readJobFile() reads services", () => {
  const SERVICE = `steps:
  - name: db
    run: x
    service: true
`;

  it("with short and long forms of ready", async () => {
    assertEquals(
      await readSteps(`
steps:
  db: {run: x, service: true, ports: db}
  api: {run: x, service: true, ready: 8080, needs: db}
  web:
    run: x
    service: true
    ports: [web, admin]
    ready:
      port: web
      http: /health
      status: [200, 204]
      log: listening on *
      command: [curl, x]
      timeout: 5s
      interval: 100ms
  watch: {run: x, background: true}
  test: {run: x, needs: [db, api, web]}
`),
      [
        { name: "db", run: "x", service: true, ports: ["db"] },
        {
          name: "api",
          run: "x",
          service: true,
          ready: { port: 8080 },
          dependsOn: ["db"],
        },
        {
          name: "web",
          run: "x",
          service: true,
          ports: ["web", "admin"],
          ready: {
            port: "web",
            http: "/health",
            status: [200, 204],
            log: ["listening on *"],
            command: ["curl", "x"],
            timeoutMs: 5_000,
            intervalMs: 100,
          },
        },
        { name: "watch", run: "x", background: true },
        { name: "test", run: "x", dependsOn: ["db", "api", "web"] },
      ],
    );
  });

  it("and refuses keys that make no sense for them, with their lines", async () => {
    assertEquals(
      await readProblems(`${SERVICE}    ports: db
    retry: 2
    timeout: 5s
    for_each: [a]
    required: false
  - name: test
    run: x
    needs: db
    ready: 80
`),
      [
        '6:5: steps[0].retry is not for a service: "ready" is checked until it holds',
        '7:5: steps[0].timeout is not for a service: set "timeout" in "ready" instead',
        "8:5: steps[0].for_each is not for a service: define a step for each service",
        "9:5: steps[0].required is not for a service: steps that need a service fail if it does",
        '13:5: steps[1].ready is only for steps with "service"',
      ],
    );
  });

  it("and refuses services that nothing needs, or that are never ready", async () => {
    assertEquals(
      await readProblems(`${SERVICE}  - name: watch
    run: x
    background: true
  - name: test
    run: x
    needs: [watch]
`),
      [
        '4:5: steps[0].service needs "ready" or "ports", so that other steps know when to start',
        '4:5: steps[0].service is true, but no step needs it; "background" runs a step until the job ends',
        '10:5: steps[2].needs names "watch", which runs in the background until the job ends; make it a service',
      ],
    );
  });

  it("and limits only for steps that run several times", async () => {
    assertEquals(
      await readProblems(`steps:
  - name: test
    run: x
    max_parallel: 2
    fail_fast: true
  - name: watch
    run: x
    for_each: [a, b]
    background: true
    max_parallel: 3
`),
      [
        '4:5: steps[0].max_parallel is only for steps with "matrix" or "for_each"',
        '5:5: steps[0].fail_fast is only for steps with "matrix" or "for_each"',
        "10:5: steps[1].max_parallel is not for background steps, which all run at once",
      ],
    );
  });

  it("and refuses invalid conditions", async () => {
    const problems = async (ready: string) =>
      (await readProblems(`${SERVICE}    ready: ${ready}
  - {name: test, run: x, needs: db}
`)).map((line) => line.replace(/^\d+:\d+: steps\[0\]\./, ""));
    assertEquals(await problems("{port: 70000}"), [
      "ready.port must be a port from 1 to 65535, or the name of one in ports",
    ]);
    assertEquals(await problems("{port: web}"), [
      'ready names port "web", which "ports" does not',
    ]);
    assertEquals(await problems("{http: 'https://x'}"), [
      'ready.http must be a URL that starts with "http://", or a path on the port',
    ]);
    assertEquals(await problems("{http: /x}"), [
      'ready has the path "/x" without a "port"',
    ]);
    assertEquals(await problems("{log: '*'}"), [
      "ready.log must contain more than * and white space",
    ]);
    assertEquals(await problems("{port: 80, status: 200}"), [
      'ready has "status" without "http"',
    ]);
    assertEquals(await problems("{}"), [
      'ready needs port, http, log, command or "ports"',
    ]);
  });
});
