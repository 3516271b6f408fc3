# The image in which workers run jobs.
#
#   docker build --tag runner .
#   docker build --tag runner-node --target node .
#   docker build --tag runner-full --target full .
#   docker build --tag runner --build-arg RUNNER=bundle .
#
# A worker clears the entrypoint, and runs `runnerlib` or a job's own command as
# uid 1001 in a directory below /job.

ARG DEBIAN_VERSION=bookworm-slim
ARG DENO_VERSION=2.9.6

FROM denoland/deno:bin-${DENO_VERSION} AS deno

FROM debian:${DEBIAN_VERSION} AS system
# A snapshot such as http://snapshot.debian.org/archive/debian/20260801T000000Z
# makes two builds install the same packages. Updates of security lie beside it,
# and have to come along: packages of the base image may be such ones.
ARG DEBIAN_SNAPSHOT=
RUN set -eu; \
    if [ -n "$DEBIAN_SNAPSHOT" ]; then \
      rm -f /etc/apt/sources.list.d/*; \
      updates="$(echo "$DEBIAN_SNAPSHOT" | sed 's,/debian\(/\|$\),/debian-security\1,')"; \
      printf 'deb [check-valid-until=no] %s main\n' \
        "$DEBIAN_SNAPSHOT bookworm" "$DEBIAN_SNAPSHOT bookworm-updates" \
        "$updates bookworm-security" >/etc/apt/sources.list; \
    fi; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install -y --no-install-recommends \
      bzip2 ca-certificates git git-lfs mercurial openssh-client subversion \
      tar tini unzip xz-utils zip zstd; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt; \
    git lfs install --system --skip-repo; \
    groupadd --gid 1001 runner; \
    useradd --uid 1001 --gid 1001 --create-home --shell /bin/sh runner; \
    install -d -m 0777 -o runner -g runner /job
COPY --from=deno /deno /usr/local/lib/deno/deno
COPY image/deno.sh /usr/local/bin/deno
COPY image/pipelines.json /deno.json
# The cache is open to every uid that a worker may choose. The certificates are
# those of the system, so that an image built on this one can add its own. Jobs
# get the PATH of the image, without the `node` that Deno would put into it.
ENV DENO_DIR=/var/cache/deno \
    DENO_DISABLE_NODE_SHIM=1 \
    DENO_NO_UPDATE_CHECK=1 \
    DENO_TLS_CA_STORE=system \
    HOME=/home/runner \
    LANG=C.UTF-8

FROM system AS build
WORKDIR /usr/local/lib/runnerlib
COPY LICENSE cli.ts deno.json deno.lock mod.ts plugins.ts testing.ts ./
COPY image/build.sh image/bundle.* /tmp/image/
COPY scripts/bundle.ts /tmp/scripts/
COPY links links
COPY src src
# `compile` downloads a part of Deno; `bundle` needs the npm registry only.
ARG RUNNER=compile
RUN /tmp/image/build.sh "$RUNNER" && chmod -R a+rwX "$DENO_DIR"

FROM system AS default
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="runnerlib" \
      org.opencontainers.image.description="Runs CI jobs: sources, steps, secrets, plugins, follow-up jobs" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="https://github.com/catalystcommunity/reactorcide" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /usr/local/lib/runnerlib /usr/local/lib/runnerlib
COPY --from=build /usr/local/bin/runnerlib /usr/local/bin/runnerlib
COPY --from=build /var/cache/deno /var/cache/deno
USER 1001:1001
# Python, in a variant or a derived image, imports `runnerlib` from here.
ENV PYTHONPATH=/usr/local/lib/runnerlib/src/plugins/python
# Not below /job: a worker mounts a volume there, and the engine would create
# the rest of the path in it, as root.
WORKDIR /job
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["runnerlib", "--help"]

FROM default AS python
USER 0:0
RUN set -eu; \
    apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      python-is-python3 python3-pip python3-venv; \
    python3 -m compileall -q "$PYTHONPATH/runnerlib"; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt
# `pip install` works as in the image of the Python runner: for the job's user.
ENV PIP_BREAK_SYSTEM_PACKAGES=1 \
    PATH=$PATH:/home/runner/.local/bin
USER 1001:1001

FROM system AS node-files
ARG NODE_VERSION=24.21.0
ARG NPM_VERSION=10.9.9
COPY image/node.sh /tmp/node.sh
RUN /tmp/node.sh "$NODE_VERSION" "$NPM_VERSION"

FROM default AS node
COPY --from=node-files /usr/local/lib/node /usr/local/lib/node
ENV PATH=/usr/local/lib/node/bin:$PATH

# What jobs found in the image of the Python runner, and Node.js.
FROM node AS full
USER 0:0
COPY image/full.sh /tmp/full.sh
RUN /tmp/full.sh && python3 -m compileall -q "$PYTHONPATH/runnerlib"
ENV GOPATH=/go \
    CARGO_HOME=/usr/local/cargo \
    PIP_BREAK_SYSTEM_PACKAGES=1 \
    PATH=$PATH:/go/bin:/usr/local/cargo/bin:/home/runner/.local/bin
USER 1001:1001

# Without a target, the image is the default one.
FROM default
