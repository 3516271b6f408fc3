# What the quick start asks of its reader: bash, git and Node. Make is what one of
# their jobs runs.
# Node comes out of the variant of the image that has it.
ARG NODE_IMAGE
FROM ${NODE_IMAGE} AS node

FROM debian:bookworm-slim
RUN set -eu; \
    apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends git make; \
    rm -rf /var/lib/apt/lists/*; \
    useradd --create-home --shell /bin/bash newcomer
COPY --from=node /usr/local/lib/node /usr/local/lib/node
ENV PATH=/usr/local/lib/node/bin:/usr/bin:/bin
USER newcomer
WORKDIR /home/newcomer
