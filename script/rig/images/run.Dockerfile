# Where the built apps run: the libraries that Ruby and its compiled gems load.
ARG BASE
FROM $BASE
COPY apt/ /etc/apt/
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y \
      bash ca-certificates tzdata \
      libffi8 libgmp10 libpq5 libsqlite3-0 libssl3t64 libxml2 libxslt1.1 libyaml-0-2 zlib1g \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/* \
 && groupadd --gid 1000 cnb \
 && useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash cnb
ENV CNB_USER_ID=1000 CNB_GROUP_ID=1000
LABEL io.buildpacks.base.distro.name=debian io.buildpacks.base.distro.version=13
USER 1000:1000
CMD ["/bin/bash"]
