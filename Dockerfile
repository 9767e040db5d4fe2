# The image: one static binary on an empty base. `make static` builds the same binary without a container runtime, and
# `make image-check` starts it in an empty root.
#
# Kept equal by tests: the toolchain with rust-toolchain.toml, the user with manifests/base/deployment.yaml.
FROM rust:1.95.0-slim-bookworm AS build
# ring compiles some C; make has the build command.
RUN apt-get update \
  && apt-get install -y --no-install-recommends gcc libc6-dev make \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN make static && mv target/static/openbao-perimeter /openbao-perimeter

FROM scratch
COPY --from=build /openbao-perimeter /openbao-perimeter
# Nobody: no entry in a passwd file is needed.
USER 65532:65532
# Webhooks, probes, metrics.
EXPOSE 9443 8081 8080
ENTRYPOINT ["/openbao-perimeter"]
CMD ["serve"]
