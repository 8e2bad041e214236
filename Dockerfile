# An environment for corpo on CPUs, with everything that `make setup` installs.
#
#   docker build --tag corpo .
#   docker run --rm --interactive --tty --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
#       --security-opt systempaths=unconfined corpo
#
# The sandbox for candidate programs starts them with `unshare` in namespaces of their own and mounts /proc there.
# The defaults of Docker forbid this: seccomp forbids unshare and mount, AppArmor forbids mount, and a masked /proc
# cannot be mounted again. The three options lift that for this container. Without them the sandbox still works, at
# its weaker level `process`; `corpo doctor` prints the level. A narrower choice for seccomp is a copy of Docker's
# default profile that also allows unshare, clone, mount and umount2. Hosts with Ubuntu 23.10 or later need
# `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, too.
FROM python:3.11-slim-bookworm AS base

# The versions of Debian's packages come with the image. Pinning them would break the build at each security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make util-linux \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home --shell /bin/bash corpo
USER 1000

# The devcontainer uses the stage above and installs into the mounted checkout.
FROM base
WORKDIR /home/corpo/corpo
ENV PATH=/home/corpo/corpo/.venv/bin:$PATH \
    PIP_NO_CACHE_DIR=1
COPY --chown=1000:1000 . .
RUN make setup
CMD ["bash"]
