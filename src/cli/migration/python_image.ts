/** Programs of the Python runner's image that are not in the default image. */
const OLD_PROGRAMS: Readonly<Record<string, string>> = {
  ...from("docker build --target full .", [
    ...["ar", "as", "c++", "cc", "cpp", "g++", "gcc", "ld", "make", "nm"],
    ...["objdump", "patch", "ranlib", "strip", "dpkg-buildpackage"],
    ...["pkg-config", "curl", "sudo", "rsync", "podman", "fuse-overlayfs"],
    ...["newuidmap", "newgidmap", "go", "gofmt", "cargo", "rustc", "rustdoc"],
  ]),
  ...from("docker build --target python .", [
    "pip",
    "pip3",
    "python",
    "python3",
  ]),
  ...from("pipx install uv  # in the target full", ["uv", "uvx"]),
  ...from("an image of your own, FROM the target full", ["rustup", "webi"]),
};

/** Python packages that the Python runner included, by module. */
const OLD_PACKAGES: Readonly<Record<string, string>> = {
  click: "click",
  cryptography: "cryptography",
  git: "GitPython",
  gitdb: "gitdb",
  markdown_it: "markdown-it-py",
  pygments: "Pygments",
  rich: "rich",
  shellingham: "shellingham",
  smmap: "smmap",
  typer: "typer",
  yaml: "PyYAML",
};

/** Names of the Python runner's images. */
const OLD_IMAGE = /(?:^|\/)(?:runnerbase|reactorcide_runner)(?:[:@].*)?$/;

/**
 * Returns the command that adds a program of the old image to the new one.
 *
 * @returns The command; `undefined` if the program was not in the old image, or
 * is in the default image.
 */
export function programFix(program: string): string | undefined {
  return Object.hasOwn(OLD_PROGRAMS, program)
    ? OLD_PROGRAMS[program]
    : undefined;
}

/**
 * Returns the Python package of a module that the Python runner included.
 *
 * @returns Name of the package for pip; `undefined` for any other module.
 */
export function oldPackage(module: string): string | undefined {
  return Object.hasOwn(OLD_PACKAGES, module) ? OLD_PACKAGES[module] : undefined;
}

/**
 * Checks whether a job runs in the image of the Python runner.
 *
 * @param image Image of the job; by default, that of the deployment.
 */
export function isOldImage(image: string | undefined): boolean {
  return image === undefined || image === "" || OLD_IMAGE.test(image);
}

function from(
  fix: string,
  programs: readonly string[],
): Record<string, string> {
  return Object.fromEntries(programs.map((program) => [program, fix]));
}
